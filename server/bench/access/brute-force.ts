/**
 * Wrong tokens at full speed, over HTTP, RESP and WebSockets, and what others feel of it: a client that is logged in asks for a key 500
 * times a second over its WebSocket, at fixed instants, with and without the attack, in turns.
 *
 *     npm run brute-force -w server
 *
 * The attacker is a process of its own. On a machine of two cores it also takes time from the client that measures. A p99 is made by
 * whatever else a machine does, so there are many short turns, and what counts is the median of the ratios of those that follow each
 * other, with the range in which it lies with 95 % (from the order of the ratios).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { makeToken } from "../../src/access/token.ts";
import { TokenFile } from "../../src/access/token-file.ts";
import { nodeFileSystem } from "../../src/oplog/node-file-system.ts";
import { ServerProcesses } from "../../test/integration/server-process.ts";

const ROUNDS = 30;
const ROUND_MS = 2000;
const RATE = 500;
const SOCKETS = 10;

/**
 * As the attacker: from "on" to "off" it has connections open and sends wrong tokens as fast as answers come. Then it says how many
 * answers it got.
 */
function attack(httpPort: number, respPort: number): void {
  let answers = 0;
  let isOn = false;
  const ends = new Set<() => void>();
  const keepOpen = (socket: Socket | WebSocket, end: () => void, again: () => void): void => {
    ends.add(end);
    socket.on("error", end);
    socket.on("close", () => {
      ends.delete(end);
      if (isOn) again();
    });
  };
  const http = () => `GET /ready HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer synap_${Math.random()}\r\n\r\n`;
  const resp = () => `AUTH synap_${Math.random()}\r\n`;
  const open = (port: number, request: () => string): void => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request()));
    socket.on("data", () => {
      answers++;
      socket.write(request());
    });
    keepOpen(
      socket,
      () => socket.destroy(),
      () => open(port, request),
    );
  };
  const openWebSocket = (): void => {
    const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/api/v1/ws`);
    const auth = () =>
      socket.send(JSON.stringify({ command: "auth", payload: { token: `synap_${Math.random()}` } }), () => {});
    socket.on("open", auth);
    socket.on("message", (message: Buffer) => {
      if (message.includes('"closing"')) return;
      answers++;
      auth();
    });
    keepOpen(socket, () => socket.terminate(), openWebSocket);
  };
  process.on("message", (message) => {
    isOn = message === "on";
    answers = isOn ? 0 : answers;
    for (let i = 0; isOn && i < SOCKETS; i++) {
      open(httpPort, http);
      open(respPort, resp);
      openWebSocket();
    }
    if (!isOn) for (const end of [...ends]) end();
    process.send?.(answers);
  });
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Latencies in ms of requests sent at about fixed instants, whether or not those before were answered; in order. */
async function measure(socket: WebSocket): Promise<number[]> {
  const message = JSON.stringify({ command: "kv.get", payload: { key: "k" } });
  const sentMs: number[] = [];
  const latencies: number[] = [];
  const startedMs = performance.now();
  const count = (ROUND_MS / 1000) * RATE;
  socket.on("message", () => latencies.push(performance.now() - sentMs[latencies.length]));
  while (latencies.length < count) {
    while (sentMs.length < count && startedMs + (sentMs.length * 1000) / RATE <= performance.now()) {
      sentMs.push(performance.now());
      socket.send(message);
    }
    await delay(1);
  }
  socket.removeAllListeners("message");
  return latencies.sort((a, b) => a - b);
}

async function main(): Promise<void> {
  const processes = new ServerProcesses();
  const made = makeToken({ name: "app", allow: ["kv:read:*"], expiresAtMs: Number.POSITIVE_INFINITY }, 0);
  if (typeof made === "string") throw new Error(made);
  const { text: token, record } = made;
  const file = new TokenFile(join(processes.pathOf("data"), "tokens.json"), nodeFileSystem.makeDirectory);
  await file.update(() => [record]);
  const server = await processes.start("data");
  const { url, respUrl = "" } = server;
  const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/ws`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await once(socket, "open");
  const attacker = spawn(
    process.execPath,
    ["--import", "tsx", fileURLToPath(import.meta.url), new URL(url).port, new URL(respUrl).port],
    { stdio: ["ignore", "inherit", "inherit", "ipc"] },
  );
  await turn(attacker, "off");
  const quiet: number[][] = [];
  const attacked: number[][] = [];
  let answers = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const isQuietFirst = round % 2 === 0;
    if (isQuietFirst) quiet.push(await measure(socket));
    await turn(attacker, "on");
    attacked.push(await measure(socket));
    answers += await turn(attacker, "off");
    if (!isQuietFirst) quiet.push(await measure(socket));
  }
  show("p50", 0.5, quiet, attacked);
  show("p99", 0.99, quiet, attacked);
  console.log(`refused: ${Math.round(answers / ((ROUNDS * ROUND_MS) / 1000))} wrong tokens a second`);
  attacker.kill();
  socket.terminate();
  await processes.end();
}

/** @returns how many answers the attacker has had in its turn so far. */
async function turn(attacker: ChildProcess, to: "on" | "off"): Promise<number> {
  attacker.send(to);
  const [answers] = await once(attacker, "message");
  return Number(answers);
}

function show(name: string, share: number, quiet: readonly number[][], attacked: readonly number[][]): void {
  const of = (rounds: readonly number[][]) => rounds.map((latencies) => percentile(latencies, share));
  const middleOf = (values: readonly number[]) =>
    percentile(
      [...values].sort((a, b) => a - b),
      0.5,
    );
  const [without, withAttack] = [of(quiet), of(attacked)];
  const ratios = withAttack.map((ms, round) => ms / without[round]).sort((a, b) => a - b);
  const reach = 0.98 * Math.sqrt(ROUNDS);
  const at = (rank: number) => ratios[Math.max(0, Math.min(ROUNDS - 1, Math.round(rank)))].toFixed(2);
  console.log(
    `${name}: ${middleOf(without).toFixed(2)} ms without the attack, ${middleOf(withAttack).toFixed(2)} ms with it, ` +
      `${at(ROUNDS / 2)} x (${at(ROUNDS / 2 - reach)} to ${at(ROUNDS / 2 + reach)})`,
  );
}

const [httpPort, respPort] = process.argv.slice(2).map(Number);
if (httpPort > 0) attack(httpPort, respPort);
else await main();
