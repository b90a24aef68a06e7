/**
 * What a token costs of all that a command costs: CPU time of the server's loop for a `GET` over RESP, 16 to a write over twenty
 * connections, of a server where nobody has to log in and of one whose clients have a token that permits a prefix.
 *
 *     npm run access-cost -w server
 *
 * Linux only: the time of a thread is read from /proc. Both servers are started anew several times, since two processes of the same
 * program differ, and take short turns, so that both meet the same machine.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { makeToken } from "../../src/access/token.ts";
import { TokenFile } from "../../src/access/token-file.ts";
import { nodeFileSystem } from "../../src/oplog/node-file-system.ts";
import { ServerProcesses } from "../../test/integration/server-process.ts";
import { requestBytes } from "../../test/protocol/differential/raw-connection.ts";
import { median } from "../structures/bench-report.ts";

const STARTS = 8;
const TURNS = 12;
const TURN_BURSTS = 150;
const CONNECTIONS = 20;
const BURST = 16;
const KEYS = 1000;
const VALUE = "x".repeat(100);
const REPLY_BYTES = `$100\r\n${VALUE}\r\n`.length;

const burst = Buffer.concat(Array.from({ length: BURST }, (_, i) => requestBytes(["GET", `app:${(i * 61) % KEYS}`])));

/** A server and its clients. */
class Side {
  readonly #pid: number;
  readonly #sockets: readonly Socket[];

  private constructor(pid: number, sockets: readonly Socket[]) {
    this.#pid = pid;
    this.#sockets = sockets;
  }

  static async open(pid: number, respUrl: string, token: string | undefined): Promise<Side> {
    const port = Number(new URL(respUrl).port);
    const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => loggedIn(port, token)));
    const [first] = sockets;
    for (let i = 0; i < KEYS; i++) first.write(requestBytes(["SET", `app:${i}`, VALUE]));
    await received(first, KEYS * "+OK\r\n".length);
    return new Side(pid, sockets);
  }

  /** Nanoseconds of the loop's thread for a command. */
  async turn(): Promise<number> {
    const before = this.#cpuNs();
    await Promise.all(this.#sockets.map((socket) => this.#bursts(socket)));
    return (this.#cpuNs() - before) / (CONNECTIONS * TURN_BURSTS * BURST);
  }

  async #bursts(socket: Socket): Promise<void> {
    for (let i = 0; i < TURN_BURSTS; i++) {
      socket.write(burst);
      await received(socket, BURST * REPLY_BYTES);
    }
  }

  #cpuNs(): number {
    return Number(readFileSync(`/proc/${this.#pid}/task/${this.#pid}/schedstat`, "utf8").split(" ")[0]);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function loggedIn(port: number, token: string | undefined): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  if (token === undefined) return socket;
  socket.write(requestBytes(["AUTH", token]));
  await received(socket, "+OK\r\n".length);
  return socket;
}

/** Resolves when so many bytes have come. */
function received(socket: Socket, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = bytes;
    const end = () => reject(new Error("the server closed the connection"));
    socket.once("close", end);
    socket.on("data", function take(chunk: Buffer) {
      left -= chunk.length;
      if (left > 0) return;
      socket.off("data", take);
      socket.off("close", end);
      if (left === 0) resolve();
      else reject(new Error(`the server answered otherwise: ${chunk.toString().slice(0, 100)}`));
    });
  });
}

const processes = new ServerProcesses(["--fsync", "never", "--log-level", "silent"]);
const made = makeToken(
  { name: "app", allow: ["kv:read:shared:", "kv:write:app:"], expiresAtMs: Number.POSITIVE_INFINITY },
  0,
);
if (typeof made === "string") throw new Error(made);
const found: { readonly open: number; readonly checked: number }[] = [];
try {
  for (let start = 0; start < STARTS; start++) {
    const file = new TokenFile(join(processes.pathOf(`app-${start}`), "tokens.json"), nodeFileSystem.makeDirectory);
    await file.update(() => [made.record]);
    const servers = await Promise.all([processes.start(`open-${start}`), processes.start(`app-${start}`)]);
    const sides = await Promise.all(
      servers.map(({ pid, respUrl = "" }, side) => Side.open(pid, respUrl, side === 0 ? undefined : made.text)),
    );
    const turnNs: [number[], number[]] = [[], []];
    for (let turn = 0; turn < TURNS; turn++) {
      for (const side of turn % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const ns = await sides[side].turn();
        // The first ones are compiled in.
        if (turn >= TURNS / 3) turnNs[side].push(ns);
      }
    }
    for (const side of sides) side.close();
    for (const server of servers) await server.kill("SIGKILL");
    found.push({ open: median(turnNs[0]), checked: median(turnNs[1]) });
  }
} finally {
  await processes.end();
}
const percents = found.map(({ open, checked }) => (checked / open - 1) * 100).sort((a, b) => a - b);
const [open, checked] = [median(found.map((each) => each.open)), median(found.map((each) => each.checked))];
console.log(
  `GET over RESP, 16 in a write: ${open.toFixed(0)} ns of CPU open, ${checked.toFixed(0)} ns with a token; of ${STARTS} pairs of ` +
    `servers ${percents[0].toFixed(1)} to ${(percents.at(-1) ?? 0).toFixed(1)} %, in the middle ${median(percents).toFixed(1)} %`,
);
