/**
 * Wrong tokens at full speed, over HTTP, RESP and WebSockets, and what others feel of it: a client that is logged in asks for a key 500
 * times a second over its WebSocket, in turns while its server is attacked, and while another server on the same machine is. The
 * attacker takes time of the machine in both, so what differs is what the server itself lets others feel.
 *
 *     npm run brute-force -w server
 *
 * A p99 is made by whatever else a machine does, so there are many short turns, and what counts is the median of the ratios of those
 * that follow each other, with its range (turn-ratios.ts).
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
import { type ServerProcess, ServerProcesses } from "../../test/integration/server-process.ts";
import { median, ratioRange } from "./turn-ratios.ts";

const ROUNDS = 30;
const WARM_UP_ROUNDS = 3;
const ROUND_MS = 2000;
/** From when an attack is on to when it is measured: its thirty connections come in one instant, which elsewhere they do not. */
const BEGIN_MS = 1500;
const RATE = 500;
const SOCKETS = 10;

interface Target {
  readonly httpPort: number;
  readonly respPort: number;
}

/**
 * As the attacker: told of a target it opens connections to that, and to no other any more, and sends wrong tokens as fast as answers
 * come. It says how many answers it had from the one before.
 */
function attack(): void {
  let answers = 0;
  let target: Target | undefined;
  const ends = new Set<() => void>();
  const keepOpen = (socket: Socket | WebSocket, end: () => void, again: () => void): void => {
    const openedFor = target;
    ends.add(end);
    socket.on("error", end);
    socket.on("close", () => {
      ends.delete(end);
      if (target === openedFor) again();
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
  const openWebSocket = (httpPort: number): void => {
    const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/api/v1/ws`);
    const auth = () =>
      socket.send(JSON.stringify({ command: "auth", payload: { token: `synap_${Math.random()}` } }), () => {});
    socket.on("open", auth);
    socket.on("message", (message: Buffer) => {
      if (message.includes('"closing"')) return;
      answers++;
      auth();
    });
    keepOpen(
      socket,
      () => socket.terminate(),
      () => openWebSocket(httpPort),
    );
  };
  process.on("message", (next: Target) => {
    target = next;
    for (const end of [...ends]) end();
    process.send?.(answers);
    answers = 0;
    for (let i = 0; i < SOCKETS; i++) {
      open(next.httpPort, http);
      open(next.respPort, resp);
      openWebSocket(next.httpPort);
    }
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
  const start = async (name: string): Promise<ServerProcess> => {
    const file = new TokenFile(join(processes.pathOf(name), "tokens.json"), nodeFileSystem.makeDirectory);
    await file.update(() => [made.record]);
    return processes.start(name);
  };
  const asked = await start("asked");
  const other = await start("other");
  const socket = new WebSocket(`${asked.url.replace("http", "ws")}/api/v1/ws`, {
    headers: { authorization: `Bearer ${made.text}` },
  });
  await once(socket, "open");
  const attacker = spawn(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), "attack"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const elsewhere: number[][] = [];
  const here: number[][] = [];
  let answers = 0;
  let attacked = other;
  const measureUnder = async (server: ServerProcess): Promise<number[]> => {
    const before = await aim(attacker, server);
    if (attacked === asked) answers += before;
    attacked = server;
    await delay(BEGIN_MS);
    return measure(socket);
  };
  // The code of all three is compiled in the first, which do not count.
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const server of round % 2 === 0 ? [asked, other] : [other, asked]) {
      const latencies = await measureUnder(server);
      if (round >= 0) (server === asked ? here : elsewhere).push(latencies);
    }
  }
  show("p50", 0.5, elsewhere, here);
  show("p99", 0.99, elsewhere, here);
  const attackedSecs = ((WARM_UP_ROUNDS + ROUNDS) * (BEGIN_MS + ROUND_MS)) / 1000;
  console.log(`refused: ${Math.round(answers / attackedSecs)} wrong tokens a second`);
  attacker.kill();
  socket.terminate();
  await processes.end();
}

/** @returns how many answers the attacker has had since it was aimed last. */
async function aim(attacker: ChildProcess, { url, respUrl = "" }: ServerProcess): Promise<number> {
  const target: Target = { httpPort: Number(new URL(url).port), respPort: Number(new URL(respUrl).port) };
  attacker.send(target);
  const [answers] = await once(attacker, "message");
  return Number(answers);
}

function show(name: string, share: number, elsewhere: readonly number[][], here: readonly number[][]): void {
  const of = (rounds: readonly number[][]) => rounds.map((latencies) => percentile(latencies, share));
  const [without, attacked] = [of(elsewhere), of(here)];
  const times = ratioRange(attacked, without);
  console.log(
    `${name}: ${median(without).toFixed(2)} ms while another is attacked, ${median(attacked).toFixed(2)} ms while it is itself, ` +
      `${times.median.toFixed(2)} x (${times.least.toFixed(2)} to ${times.most.toFixed(2)})`,
  );
}

if (process.argv[2] === "attack") attack();
else await main();
