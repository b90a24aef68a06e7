/** Every case over every combination of protocol and format, against a running server (wire contract, sections 2 to 4). */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { allCommands } from "../../src/commands/all.ts";
import { ERROR_STATUS, type ErrorCode } from "../../src/commands/errors.ts";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { TRANSPORT_FLAGS } from "../tested-transport.ts";
import { type Case, type Expected, OWN_CLIENT, type PushStep, type Reply, type Step } from "./case.ts";
import { admin } from "./cases/admin.ts";
import { atomicBatches, batches } from "./cases/batches.ts";
import { expiries } from "./cases/expiry.ts";
import { idempotentWrites } from "./cases/idempotent-writes.ts";
import { keys } from "./cases/keys.ts";
import { keyWatches } from "./cases/kv-watch.ts";
import { messages } from "./cases/pubsub-messages.ts";
import { deadLetters } from "./cases/queue-dead-letters.ts";
import { queueMessages } from "./cases/queue-messages.ts";
import { queueBatches, queues } from "./cases/queue-queues.ts";
import { queueSubscriptions } from "./cases/queue-subscriptions.ts";
import { requests } from "./cases/requests.ts";
import { scans } from "./cases/scan.ts";
import { rooms } from "./cases/stream-rooms.ts";
import { roomSubscriptions } from "./cases/stream-subscriptions.ts";
import { counters, strings } from "./cases/strings.ts";
import { QUEUED, transactions } from "./cases/transactions.ts";
import { VALUE_TABLE, values } from "./cases/values.ts";
import { type Client, type ClientReply, COMBINATIONS, type Combination, connect } from "./clients.ts";
import type { WireFormat } from "./format.ts";
import { checkReply } from "./reply-schema.ts";

const CASES: readonly Case[] = [
  ...requests,
  ...values,
  ...keys,
  ...expiries,
  ...strings,
  ...counters,
  ...scans,
  ...keyWatches,
  ...batches,
  ...atomicBatches,
  ...idempotentWrites,
  ...queues,
  ...queueMessages,
  ...deadLetters,
  ...queueBatches,
  ...queueSubscriptions,
  ...rooms,
  ...roomSubscriptions,
  ...messages,
  ...transactions,
  ...admin,
];

/** Limits so low that a case can stand at them and one past them. */
const config = configFromFlags(
  ...["--no-persistence", "--port", "0", "--log-level", "silent", ...TRANSPORT_FLAGS],
  ...[
    "protocol.max_batch_commands=50",
    "protocol.max_request_bytes=512kb",
    "kv_store.max_value_bytes=64kb",
    "kv_store.max_keys_reply=20",
    "kv_store.ttl_tick_ms=5",
    "queue.max_message_bytes=16kb",
    "queue.max_prefetch=100",
    "queue.max_wait_ms=10000",
    "queue.tick_ms=2",
    "stream.max_event_bytes=16kb",
    "pubsub.max_message_bytes=32kb",
    "pubsub.max_subscriptions_per_connection=20",
    "pubsub.max_patterns=40",
    "pubsub.max_costly_patterns=2",
    "pubsub.max_watch_globs=2",
    "slowlog.threshold_ms=0",
    "slowlog.max_entries=10",
  ].flatMap((setting) => ["--set", setting]),
);

let server: RunningServer;
/** How many cases were run, over all protocols and formats. */
let runCount = 0;
const clients = new Map<Combination, Client>();

beforeAll(async () => {
  server = await startServer(config, silentLogger);
  for (const combination of COMBINATIONS) clients.set(combination, await connect(combination, server.url));
});

afterAll(async () => {
  await Promise.all([...clients.values()].map((client) => client.close()));
  await server.stop();
});

function clientOf(combination: Combination): Client {
  const client = clients.get(combination);
  if (client === undefined) throw new Error(`no client for ${combination}`);
  return client;
}

describe.each(COMBINATIONS)("%s", (combination) => {
  for (const { name, steps, skip } of CASES) {
    const reason = skip?.[combination];
    // skipped: for the reason that the case gives.
    if (reason !== undefined) it.skip(`${name} (${reason})`, () => {});
    else it(name, () => runCase(clientOf(combination), steps));
  }
});

describe("a value written in one format", () => {
  it.each(VALUE_TABLE)("comes back in every other: %s", async (_, value) => {
    for (const writer of clients.values()) {
      await exchange(writer, writer.format.encode({ command: "kv.set", payload: { key: "v", value } }));
      for (const { format, send } of [...clients.values()].map((client) => ({
        format: client.format,
        send: client.send.bind(client),
      }))) {
        const { body } = await send(format.encode({ command: "kv.get", payload: { key: "v" } }));
        expect(body).toEqual({ success: true, payload: inFormat(value, format) });
      }
    }
  });
});

describe("an idempotent write", () => {
  it("runs once, over whichever protocol and in whichever format it is repeated", async () => {
    await removeAllKeys(clientOf(COMBINATIONS[0]));
    for (const [index, combination] of COMBINATIONS.entries()) {
      const payload = { key: "n", amount: 10 ** index };
      const message = {
        command: "kv.incr",
        payload,
        client_id: "everywhere",
        request_id: combination,
        idempotent: true,
      };
      const send = (client: Client) => exchange(client, client.format.encode(message));
      const first = await send(clientOf(combination));
      expect(first).toMatchObject({ success: true, request_id: combination });
      for (const client of clients.values()) expect(await send(client)).toEqual(first);
    }
    const client = clientOf(COMBINATIONS[0]);
    const { payload } = await exchange(client, client.format.encode({ command: "kv.get", payload: { key: "n" } }));
    expect(payload).toBe(1111);
  });
});

describe("the list of cases", () => {
  it("has every command of the registry", () => {
    const sent = new Set(CASES.flatMap(({ steps }) => steps.flatMap(commandsOf)));
    expect(allCommands.map(({ name }) => name).filter((name) => !sent.has(name))).toEqual([]);
  });

  it("has no two cases of one name", () => {
    const names = CASES.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) < index)).toEqual([]);
  });
});

function commandsOf(step: Step): readonly string[] {
  if ("command" in step) return [step.command];
  return "batch" in step ? step.batch.map(([command]) => command) : [];
}

async function runCase(client: Client, steps: readonly Step[]): Promise<void> {
  await removeAllKeys(client);
  runCount++;
  client.pushes.length = 0;
  const earlier: Reply[] = [];
  for (const step of steps) earlier.push(await runStep(client, step, earlier));
}

/** Each case begins with an empty store. Not by a flush: that gives the memory back, and the next write reserves it anew. */
async function removeAllKeys(client: Client): Promise<void> {
  const scan = await exchange(client, client.format.encode({ command: "kv.scan", payload: { limit: 1_000 } }));
  const { keys } = scan.payload as { readonly keys: readonly string[] }; // What kv.scan declares to answer.
  if (keys.length > 0) await exchange(client, client.format.encode({ command: "kv.mdel", payload: { keys } }));
}

/** A step that is not for this format answers with nothing, and keeps its place among the replies. */
async function runStep(client: Client, step: Step, earlier: readonly Reply[]): Promise<Reply> {
  if ("command" in step && step.eventually === true) {
    return vi.waitFor(() => runStep(client, { ...step, eventually: false }, earlier), { timeout: 5_000, interval: 2 });
  }
  if ("pushes" in step) {
    await expectPushes(client, step, earlier);
    return {};
  }
  const message = messageOf(client.format, step, earlier);
  if (message === undefined) return {};
  const reply = await exchange(client, message);
  expect(reply).toEqual(withRequestId(step, reply, expectedOf(client.format, step.expected, earlier)));
  checkSchemas(step, reply);
  return reply;
}

async function expectPushes(
  client: Client,
  { pushes, inAnyOrder }: PushStep,
  earlier: readonly Reply[],
): Promise<void> {
  const { format } = client;
  const expected = (typeof pushes === "function" ? pushes(format, earlier) : pushes).map((push) =>
    inFormat(push, format),
  );
  await vi.waitFor(() => expect(client.pushes.length).toBeGreaterThanOrEqual(expected.length), {
    timeout: 5_000,
    interval: 2,
  });
  const got = client.pushes.splice(0);
  expect(got).toHaveLength(expected.length);
  expect(got).toEqual(inAnyOrder === true ? expect.arrayContaining(expected) : expected);
}

function messageOf(format: WireFormat, step: Exclude<Step, PushStep>, earlier: readonly Reply[]): Buffer | undefined {
  if ("command" in step) {
    const { command, payload, envelope } = step;
    const given = typeof payload === "function" ? payload(earlier) : payload;
    return format.encode({ command, payload: given, ...own(envelope) });
  }
  if ("batch" in step) {
    const commands = step.batch.map(([command, payload, fields]) =>
      payload === undefined ? { command } : { command, payload, ...own(fields) },
    );
    return format.encode({ type: "batch", commands, ...own(step.envelope) });
  }
  const message = step[format.name];
  return typeof message === "string" ? Buffer.from(message) : message;
}

/** The fields of an envelope, with the client of this run. */
function own(fields: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return fields.client_id === OWN_CLIENT ? { ...fields, client_id: `client ${runCount}` } : fields;
}

/** Sends a message and checks what every reply must be, whatever it says. */
async function exchange(client: Client, message: Buffer): Promise<Reply> {
  const { status, body } = await client.send(message);
  if (typeof body !== "object" || body === null) throw new Error(`a reply that is no object: ${body}`);
  // What an object from the wire is.
  const reply = body as Reply;
  if (status !== undefined) expect(status).toBe(statusOf(reply));
  const results = "results" in reply ? (reply.results as readonly Reply[]) : [reply];
  for (const each of [reply, ...results]) checkOutcome(each);
  return reply;
}

function statusOf(reply: Reply): ClientReply["status"] {
  // A code that does not exist has no status, and fails the comparison.
  return reply.success === true ? 200 : ERROR_STATUS[reply.code as ErrorCode];
}

function checkOutcome(reply: Reply): void {
  const fields = Object.keys(reply);
  if (reply.success === true) {
    expect("payload" in reply || "results" in reply).toBe(true);
    expect(["success", "request_id", "payload", "type", "results"]).toEqual(expect.arrayContaining(fields));
  } else {
    expect(ERROR_STATUS).toHaveProperty(String(reply.code));
    expect(reply.error).toMatch(/\S/);
    expect(["type", "success", "request_id", "error", "code", "details"]).toEqual(expect.arrayContaining(fields));
  }
}

function expectedOf(format: WireFormat, expected: Expected, earlier: readonly Reply[]): unknown {
  return inFormat(typeof expected === "function" ? expected(format, earlier) : expected, format);
}

/** A failure must echo the request id too, though the list does not say so each time. */
function withRequestId(step: Step, reply: Reply, expected: unknown): unknown {
  const requestId = "envelope" in step ? step.envelope?.request_id : undefined;
  if (reply.code !== undefined && reply.code !== "INVALID_REQUEST") expect(reply.request_id).toEqual(requestId);
  return expected;
}

/** Bytes as this format shows them. Matchers are left as they are. */
function inFormat(expected: unknown, format: WireFormat): unknown {
  if (expected instanceof Uint8Array) return format.bytes(expected);
  if (Array.isArray(expected)) return expected.map((each) => inFormat(each, format));
  if (typeof expected !== "object" || expected === null || Object.getPrototypeOf(expected) !== Object.prototype) {
    return expected;
  }
  // Unlike assignment, this keeps a field named `__proto__`.
  return Object.fromEntries(Object.entries(expected).map(([name, each]) => [name, inFormat(each, format)]));
}

function checkSchemas(step: Step, reply: Reply): void {
  if ("command" in step && reply.success === true) checkPayload(step.command, reply.payload);
  if (!("batch" in step) || !Array.isArray(reply.results)) return;
  for (const [index, result] of (reply.results as readonly Reply[]).entries()) {
    if (result.success === true) checkPayload(step.batch[index][0], result.payload);
  }
}

/** What a transaction has queued answers so, whatever the command. */
function checkPayload(command: string, payload: unknown): void {
  const isQueued = typeof payload === "object" && payload !== null && "queued" in payload;
  if (isQueued) expect(payload).toEqual(QUEUED);
  else checkReply(command, payload);
}
