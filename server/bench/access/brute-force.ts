/**
 * Wrong tokens at full speed, over HTTP, RESP and WebSockets, and what others feel of it: a client that is logged in asks for a key 500
 * times a second over its WebSocket, at fixed instants, with and without the attack, in turns.
 *
 *     npm run brute-force -w server
 *
 * The attacker is a process of its own. On a machine of two cores it also takes time from the client that measures.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { makeToken } from "../../src/access/token.ts";
import { TokenFile } from "../../src/access/token-file.ts";
import { nodeFileSystem } from "../../src/oplog/node-file-system.ts";
import { ServerProcesses } from "../../test/integration/server-process.ts";

const ROUNDS = 6;
const ROUND_MS = 3000;
const RATE = 500;
const SOCKETS = 10;

/** As the attacker: opens connections, sends wrong tokens as fast as answers come, and says how many it got. */
function attack(httpPort: number, respPort: number): void {
  let answers = 0;
  const http = () => `GET /ready HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer synap_${Math.random()}\r\n\r\n`;
  const resp = () => `AUTH synap_${Math.random()}\r\n`;
  const open = (port: number, request: () => string): void => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request()));
    socket.on("data", () => {
      answers++;
      socket.write(request());
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => open(port, request));
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
    socket.on("error", () => socket.terminate());
    socket.on("close", openWebSocket);
  };
  for (let i = 0; i < SOCKETS; i++) {
    open(httpPort, http);
    open(respPort, resp);
    openWebSocket();
  }
  process.on("SIGTERM", () => {
    process.stdout.write(String(answers), () => process.exit(0));
  });
  process.stdout.write("ready\n");
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Latencies in ms of requests sent at fixed instants. */
async function measure(socket: WebSocket): Promise<number[]> {
  const message = JSON.stringify({ command: "kv.get", payload: { key: "k" } });
  const latencies: number[] = [];
  const startedMs = performance.now();
  let sent = 0;
  const count = (ROUND_MS / 1000) * RATE;
  const dueMs = (index: number) => startedMs + (index * 1000) / RATE;
  socket.on("message", () => latencies.push(performance.now() - dueMs(latencies.length)));
  while (latencies.length < count) {
    while (sent < count && dueMs(sent) <= performance.now()) {
      socket.send(message);
      sent++;
    }
    await delay(1);
  }
  socket.removeAllListeners("message");
  return latencies;
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
  const found: { readonly quiet: number[]; readonly attacked: number[] } = { quiet: [], attacked: [] };
  let answers = 0;
  for (let round = 0; round < ROUNDS; round++) {
    found.quiet.push(...(await measure(socket)));
    const attacker: ChildProcess = spawn(
      process.execPath,
      ["--import", "tsx", fileURLToPath(import.meta.url), new URL(url).port, new URL(respUrl).port],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let output = "";
    attacker.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    while (!output.includes("ready")) await delay(10);
    found.attacked.push(...(await measure(socket)));
    attacker.kill("SIGTERM");
    await once(attacker, "close");
    answers += Number(output.replace("ready\n", ""));
  }
  const refused = Math.round(answers / ((ROUNDS * ROUND_MS) / 1000));
  for (const [name, latencies] of Object.entries(found)) {
    const sorted = latencies.sort((a: number, b: number) => a - b);
    const shown = [0.5, 0.99, 0.999].map((share) => percentile(sorted, share).toFixed(2)).join(", ");
    console.log(`${name}: ${shown} ms (p50, p99, p99.9)`);
  }
  console.log(`refused: ${refused} wrong tokens a second`);
  socket.terminate();
  await processes.end();
}

const [httpPort, respPort] = process.argv.slice(2).map(Number);
if (httpPort > 0) attack(httpPort, respPort);
else await main();
