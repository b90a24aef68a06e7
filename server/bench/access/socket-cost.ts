/**
 * What tokens cost a command with its sockets: the same requests to a server where nobody logs in, and to one where the client has a
 * token that permits a prefix. Both servers are in this process, so that they share one machine, one heap and one compiled code, and
 * take turns of some ten milliseconds; the client is a process of its own. Counted is CPU of this process, in a turn.
 *
 *     npm run socket-cost -w server
 *
 * What is shown is the median of the ratios of turns that follow each other, with its range (turn-ratios.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";
import { makeToken } from "../../src/access/token.ts";
import { TokenFile } from "../../src/access/token-file.ts";
import { configFromFlags } from "../../src/config/load.ts";
import { nodeFileSystem } from "../../src/oplog/node-file-system.ts";
import { inlineMore } from "../../src/runtime/inlining.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { startServer } from "../../src/server.ts";
import { requestBytes } from "../../test/protocol/differential/raw-connection.ts";
import { median, ratioRange } from "./turn-ratios.ts";

const KEYS = 500;
const CONNECTIONS = 10;
const PAIRS = 400;
/** Turns at the beginning, while code is compiled. */
const WARM_UP_PAIRS = 60;
const VALUE = "x".repeat(100);

/** A way to ask: so many commands in a message, so many messages in a turn. */
interface Case {
  readonly name: string;
  readonly commands: number;
  readonly messages: number;
}

const RESP_GET: Case = { name: "RESP GET, 16 in a burst", commands: 16, messages: 250 };
const RESP_SET: Case = { name: "RESP SET, 16 in a burst", commands: 16, messages: 200 };
const RESP_SINGLE: Case = { name: "RESP GET, one by one", commands: 1, messages: 800 };
const BATCH: Case = { name: "kv.get over WebSocket, 16 in a MessagePack batch", commands: 16, messages: 250 };
const SINGLE: Case = { name: "kv.get over WebSocket, one by one", commands: 1, messages: 1000 };
const CASES = [RESP_GET, RESP_SET, RESP_SINGLE, BATCH, SINGLE];

interface Target {
  readonly url: string;
  readonly respUrl: string;
  readonly token: string;
}

/** Sends a message on one connection, and calls back when its answer is whole. */
type Ask = (answered: () => void) => void;

// The client: a process that answers "target case" with "done", once the turn's messages were answered.

async function serveTurns(targets: readonly Target[]): Promise<void> {
  const asks = new Map<string, readonly Ask[]>();
  for (const [side, target] of targets.entries()) {
    for (const [index, of] of CASES.entries()) {
      const opened = Array.from({ length: CONNECTIONS }, () =>
        of === BATCH || of === SINGLE ? openWebSocket(target, of) : openResp(target, of),
      );
      asks.set(`${side} ${index}`, await Promise.all(opened));
    }
  }
  process.on("message", (turn: string) => {
    const index = Number(turn.split(" ")[1]);
    runTurn(asks.get(turn) ?? [], CASES[index].messages, () => process.send?.("done"));
  });
  process.send?.("ready");
}

function runTurn(asks: readonly Ask[], messages: number, done: () => void): void {
  let toAsk = messages;
  let toCome = messages;
  const next = (ask: Ask): void => {
    if (toAsk === 0) return;
    toAsk--;
    ask(() => {
      toCome--;
      if (toCome === 0) done();
      else next(ask);
    });
  };
  for (const ask of asks) next(ask);
}

const keyOf = (number: number): string => `app:${(number * 61) % KEYS}`;

async function openResp({ respUrl, token }: Target, of: Case): Promise<Ask> {
  const socket: Socket = connect(Number(new URL(respUrl).port), "127.0.0.1");
  await once(socket, "connect");
  if (token !== "") {
    socket.write(requestBytes(["AUTH", token]));
    await once(socket, "data");
  }
  const requests = Array.from({ length: of.commands }, (_, i) =>
    requestBytes(of === RESP_SET ? ["SET", keyOf(i), VALUE] : ["GET", keyOf(i)]),
  );
  const message = Buffer.concat(requests);
  // "+OK" or "$100", a value and their line ends.
  const answerBytes = of.commands * (of === RESP_SET ? 5 : 6 + VALUE.length + 2);
  let left = 0;
  let answered = (): void => {};
  socket.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left === 0) answered();
  });
  return (then) => {
    answered = then;
    left = answerBytes;
    socket.write(message);
  };
}

async function openWebSocket({ url, token }: Target, of: Case): Promise<Ask> {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/ws`, { headers, perMessageDeflate: false });
  await once(socket, "open");
  const commands = Array.from({ length: of.commands }, (_, i) => ({ command: "kv.get", payload: { key: keyOf(i) } }));
  const message = new Packr({ useRecords: false }).pack(of.commands === 1 ? commands[0] : { type: "batch", commands });
  let answered = (): void => {};
  socket.on("message", () => answered());
  return (then) => {
    answered = then;
    socket.send(message);
  };
}

// The servers, and the turns.

async function measure(): Promise<void> {
  inlineMore();
  const directory = mkdtempSync(join(tmpdir(), "synap-socket-cost-"));
  const tokens = new TokenFile(join(directory, "tokens.json"), nodeFileSystem.makeDirectory);
  const allow = ["kv:read:shared:", "kv:write:app:"];
  const made = makeToken({ name: "app", allow, expiresAtMs: Number.POSITIVE_INFINITY }, 0);
  if (typeof made === "string") throw new Error(made);
  await tokens.update(() => [made.record]);
  const flags = ["--no-persistence", "--port", "0", "--log-level", "silent"];
  const open = await startServer(configFromFlags(...flags), silentLogger);
  const locked = await startServer(
    configFromFlags(...flags, "--set", `access.tokens_file=${join(directory, "tokens.json")}`),
    silentLogger,
  );
  const targets: readonly Target[] = [
    { url: open.url, respUrl: open.respUrl ?? "", token: "" },
    { url: locked.url, respUrl: locked.respUrl ?? "", token: made.text },
  ];
  for (const { url, token } of targets) await fill(url, token);
  const client = spawn(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), JSON.stringify(targets)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await once(client, "message");
  for (const [index, of] of CASES.entries()) show(of, await pairsOf(client, index));
  client.kill();
  await open.stop();
  await locked.stop();
  rmSync(directory, { recursive: true });
}

async function fill(url: string, token: string): Promise<void> {
  const pairs = Array.from({ length: KEYS }, (_, i) => ({ key: `app:${i}`, value: VALUE }));
  const headers = { "content-type": "application/json", ...(token === "" ? {} : { authorization: `Bearer ${token}` }) };
  const body = JSON.stringify({ command: "kv.mset", payload: { pairs } });
  const answer = await fetch(`${url}/api/v1/command`, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(await answer.text());
}

interface Turns {
  readonly openUs: number;
  readonly lockedUs: number;
}

/** CPU of each turn, the pairs in the order in which they came. */
async function pairsOf(client: ChildProcess, index: number): Promise<readonly Turns[]> {
  const turnUs = async (side: 0 | 1): Promise<number> => {
    const before = process.cpuUsage();
    client.send(`${side} ${index}`);
    await once(client, "message");
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const pairs: Turns[] = [];
  for (let pair = 0; pair < WARM_UP_PAIRS + PAIRS; pair++) {
    const isOpenFirst = pair % 2 === 0;
    const first = await turnUs(isOpenFirst ? 0 : 1);
    const second = await turnUs(isOpenFirst ? 1 : 0);
    const turns = isOpenFirst ? { openUs: first, lockedUs: second } : { openUs: second, lockedUs: first };
    if (pair >= WARM_UP_PAIRS) pairs.push(turns);
  }
  return pairs;
}

function show({ name, commands, messages }: Case, pairs: readonly Turns[]): void {
  const [open, locked] = [pairs.map(({ openUs }) => openUs), pairs.map(({ lockedUs }) => lockedUs)];
  const more = ratioRange(locked, open);
  const percent = (ratio: number) => `${((ratio - 1) * 100).toFixed(1)} %`;
  const ns = (us: readonly number[]) => ((median(us) * 1000) / (commands * messages)).toFixed(0);
  console.log(
    `${name}: ${ns(open)} ns of CPU open, ${ns(locked)} ns with a token, ` +
      `${percent(more.median)} (${percent(more.least)} to ${percent(more.most)})`,
  );
}

const [targets] = process.argv.slice(2);
// It is what `measure` has given.
if (targets !== undefined) await serveTurns(JSON.parse(targets) as Target[]);
else await measure();
