/**
 * Messages of every command, broken at random, for the readers of JSON, MessagePack and RESP and everything behind them. Two
 * connections take turns, each with a token for names of its own: what one of them stores, the other must never be shown,
 * however its message is broken. Whatever throws, is reported as a bug, or cannot be read as a reply ends the run with the seed.
 */
import { Packr, Unpackr } from "msgpackr";
import { Grant } from "../../src/access/grant.ts";
import { allCommands } from "../../src/commands/all.ts";
import type { RespClient } from "../../src/dispatch/resp-client.ts";
import type { RespDispatcher } from "../../src/dispatch/resp-dispatcher.ts";
import { examplePayload } from "../../src/openapi/examples.ts";
import { Connection, Fixture } from "../dispatcher-fixture.ts";
import { seededRandom } from "../engine.ts";
import { requestBytes } from "../protocol/differential/raw-connection.ts";
import { answerOf, respDispatcher, respPeer } from "../resp-fixture.ts";
import { type Chance, mutated, pick } from "./mutations.ts";

export type Format = "json" | "msgpack" | "resp";
export const FORMATS: readonly Format[] = ["json", "msgpack", "resp"];

/** After so many messages everything begins anew, so that memory stays what a short run takes. */
const LIFE_MESSAGES = 5000;
const SECRETS = ["alpha-7f3a9c2e51", "bravo-d80b64e1f7"] as const;
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "bigint" });

export interface FuzzReport {
  readonly messages: number;
  /** Replies that were a success: a fuzzer whose messages are all refused at the door finds little. */
  readonly successes: number;
}

export function fuzz(format: Format, seed: number, messages: number): FuzzReport {
  const random = seededRandom(seed);
  let successes = 0;
  for (let done = 0; done < messages; done += LIFE_MESSAGES) {
    const target = format === "resp" ? new RespTarget(random) : new MessageTarget(format, random);
    const count = Math.min(LIFE_MESSAGES, messages - done);
    for (let i = 0; i < count; i++) {
      try {
        successes += target.step() ? 1 : 0;
      } catch (cause) {
        throw new Error(`seed ${seed}, message ${done + i} of ${format}: ${target.last.toString("latin1")}`, { cause });
      }
    }
  }
  return { messages, successes };
}

function grantOf(owner: number): Grant {
  const prefix = owner === 0 ? "a:" : "b:";
  return new Grant(`owner-${owner}`, [
    ...(["kv", "queue", "stream"] as const).map((subsystem) => ({ subsystem, level: "admin" as const, prefix })),
    { subsystem: "pubsub", level: "admin", prefix: owner === 0 ? "a." : "b." },
  ]);
}

function checkSecrets(shown: string, owner: number): void {
  if (shown.includes(SECRETS[1 - owner])) throw new Error(`owner ${owner} was shown what is not its own: ${shown}`);
}

/** A payload with the owner's names and values, where names and values are. */
function ownPayload(payload: unknown, owner: number, random: Chance): unknown {
  if (Array.isArray(payload)) return payload.map((each) => ownPayload(each, owner, random));
  if (typeof payload === "string") {
    const prefix = random() < 0.9 ? "ab"[owner] : "ab"[1 - owner];
    return random() < 0.5 ? `${prefix}:${Math.floor(random() * 3)}` : random() < 0.5 ? SECRETS[owner] : payload;
  }
  if (typeof payload !== "object" || payload === null) return payload;
  return Object.fromEntries(Object.entries(payload).map(([name, each]) => [name, ownPayload(each, owner, random)]));
}

class MessageTarget {
  last: Buffer = Buffer.alloc(0);
  readonly #format: "json" | "msgpack";
  readonly #random: Chance;
  readonly #fixture = new Fixture();
  readonly #connections = [0, 1].map((owner) => Object.assign(new Connection("websocket"), { grant: grantOf(owner) }));
  /** Of each owner: parts of them are mixed into its messages. */
  readonly #recent: Buffer[][] = [[Buffer.from("{}")], [Buffer.from("{}")]];

  constructor(format: "json" | "msgpack", random: Chance) {
    this.#fixture.engine.access.turnOn();
    this.#format = format;
    this.#random = random;
  }

  step(): boolean {
    const random = this.#random;
    const owner = random() < 0.5 ? 0 : 1;
    const connection = this.#connections[owner];
    const command = pick(random, allCommands);
    const item = { command: command.name, payload: ownPayload(examplePayload(command), owner, random) };
    const ids = { request_id: `id-${owner}`, client_id: "c", idempotent: true };
    const envelope = { ...item, ...(random() < 0.1 ? ids : { request_id: ids.request_id }) };
    const again = { ...item, ...ids, index: Math.floor(random() * 70), idempotent: random() < 0.8 };
    const batch = {
      type: "batch",
      ...(random() < 0.4 ? ids : { request_id: ids.request_id }),
      atomic: random() < 0.5,
      commands: random() < 0.3 ? [item, again] : [item, item],
    };
    const whole = random() < 0.2 ? batch : envelope;
    const bytes = this.#format === "json" ? Buffer.from(JSON.stringify(whole)) : packr.pack(whole);
    this.last = random() < 0.3 ? bytes : mutated(random, bytes, this.#recent[owner]);
    remember(this.#recent[owner], bytes);
    const { dispatcher, bugs } = this.#fixture;
    const reply = dispatcher.handle(this.last, this.#format, this.#format, connection);
    if (bugs.length > 0) throw bugs[0].error;
    if (reply === undefined) return true;
    const answer = Buffer.from(reply.bytes.subarray(0, reply.length));
    const read = (this.#format === "json" ? JSON.parse(answer.toString()) : unpackr.unpack(answer)) as {
      success: unknown;
    };
    if (typeof read.success !== "boolean") throw new Error(`no reply: ${answer.toString("latin1")}`);
    checkSecrets(answer.toString("latin1"), owner);
    checkSecrets(connection.pushed.join(), owner);
    connection.pushed.length = 0;
    this.#fixture.pass(Math.floor(random() * 50));
    return read.success;
  }
}

function remember(recent: Buffer[], bytes: Buffer): void {
  if (recent.length >= 20) recent.shift();
  recent.push(bytes);
}

class RespTarget {
  last: Buffer = Buffer.alloc(0);
  readonly #random: Chance;
  readonly #fixture = new Fixture();
  readonly #dispatch: RespDispatcher;
  readonly #clients: (RespClient & { kept?: Buffer })[] = [];
  readonly #recent: Buffer[][] = [[Buffer.from("PING\r\n")], [Buffer.from("PING\r\n")]];
  readonly #names: readonly (readonly [string, number])[];
  #late = "";

  constructor(random: Chance) {
    this.#random = random;
    const { engine, bugs } = this.#fixture;
    engine.access.turnOn();
    Object.assign(engine.node, { info: () => ({ server: { pid: 1 } }) });
    this.#dispatch = respDispatcher(this.#fixture, {
      requestBytesMax: 256 * 1024,
      reportBug: (where, error) => `bug-${bugs.push({ id: "", where, error })}`,
    });
    this.#names = this.#dispatch.table.entries
      .flatMap((entry) => [entry, ...(entry.subcommands?.entries ?? [])])
      .map(({ description: { name, arity } }) => [name, arity] as const)
      .filter(([name]) => !["quit", "reset", "auth", "hello"].includes(name));
    for (const owner of [0, 1]) this.#clients.push(this.#connect(owner));
  }

  #connect(owner: number): RespClient {
    const peer = respPeer({
      peer: `127.0.0.1:${owner}`,
      write: (bytes, length) => {
        this.#late += Buffer.from(bytes.subarray(0, length)).toString("latin1");
      },
    });
    const client = this.#dispatch.connect(owner + 1, peer);
    client.granted(grantOf(owner));
    return client;
  }

  step(): boolean {
    const random = this.#random;
    const owner = random() < 0.5 ? 0 : 1;
    const bytes = this.#request(owner);
    this.last = random() < 0.4 ? bytes : mutated(random, bytes, this.#recent[owner]);
    remember(this.#recent[owner], bytes);
    return this.#feed(owner, this.last);
  }

  #request(owner: number): Buffer {
    const random = this.#random;
    const [name, arity] = pick(random, this.#names);
    const words = name.split("|");
    for (let left = Math.abs(arity) - words.length + Math.floor(random() * 3); left > 0; left--) {
      const own = random() < 0.9 ? owner : 1 - owner;
      words.push(random() < 0.6 ? `${"ab"[own]}:${Math.floor(random() * 3)}` : random() < 0.5 ? SECRETS[owner] : "1");
    }
    return requestBytes(words);
  }

  /** What is left of a request is kept for the next step, as a transport does; a broken connection is followed by a new one. */
  #feed(owner: number, given: Buffer): boolean {
    const client = this.#clients[owner];
    const all = Buffer.concat([client.kept ?? Buffer.alloc(0), given]);
    const dispatch = this.#dispatch;
    dispatch.handle(client, all, 0, all.length);
    const { bugs } = this.#fixture;
    if (bugs.length > 0) throw bugs[0].error;
    const shown = answerOf(dispatch);
    checkSecrets(shown + this.#late, owner);
    this.#late = "";
    client.kept = all.subarray(dispatch.consumed);
    this.#fixture.pass(Math.floor(this.#random() * 50));
    if (client.isClosing || client.isBlocked || client.kept.length > 4096) {
      client.closed();
      this.#clients[owner] = this.#connect(owner);
    }
    return shown !== "" && !shown.startsWith("-");
  }
}
