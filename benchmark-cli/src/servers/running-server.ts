/** A server that is there already: what a scenario needs of it, over HTTP, or by RESP alone. */
import { askingOf } from "../load/asking.ts";
import { ask as askSocket, type ClientSocket } from "../load/client-socket.ts";
import { type RespValue, respRefusal, respValue } from "../load/resp-replies.ts";
import { respArray } from "../load/resp-words.ts";
import { BenchmarkError } from "./benchmark-error.ts";
import { sleep } from "./processes.ts";
import type { ServerAddress } from "./server-address.ts";
import { ask, command, RefusedCommand, refused, unreachable } from "./server-requests.ts";
import type { Held, Target, Usage } from "./target.ts";

const RESP_ANSWER_MS_MAX = 5_000;

/** @throws BenchmarkError if nobody answers there, or somebody who is no Synap. */
export async function connectHttp(server: ServerAddress): Promise<Target> {
  const { status, text } = await ask(server, "/health");
  if (!text.includes('"service":"synap"')) {
    throw new BenchmarkError(
      `${server.text} answers, but not as a Synap server does: ${status} ${text.slice(0, 80).replaceAll(/\s+/g, " ")}`,
    );
  }
  const run: Target["command"] = (name, payload = {}) => command(server, name, payload);
  return {
    name: server.text,
    port: server.port,
    respPort: server.respPort,
    child: undefined,
    address: server,
    command: run,
    holds: () => heldBy(run),
    usage: () => metricsUsage(server),
    stop: async () => undefined,
  };
}

/** What of it may be seen: of what a token does not permit, a scenario that needs it finds out when it rehearses. */
async function heldBy(run: Target["command"]): Promise<Held> {
  const counted = async (name: string, count: (reply: Record<string, unknown>) => number): Promise<number> => {
    try {
      return count(await run(name));
    } catch (error) {
      if (error instanceof RefusedCommand && error.code === "FORBIDDEN") return 0;
      throw error;
    }
  };
  // By the registry: a number and two lists.
  return [
    ["keys", await counted("kv.dbsize", ({ size }) => Number(size))],
    ["queues", await counted("queue.list", ({ queues }) => (queues as readonly unknown[]).length)],
    ["rooms", await counted("stream.list", ({ rooms }) => (rooms as readonly unknown[]).length)],
  ];
}

/** By the page of metrics; undefined where it has none, or may not be seen, or the server is no more. */
async function metricsUsage(server: ServerAddress): Promise<Usage | undefined> {
  let page: string;
  try {
    const { status, text } = await ask(server, "/metrics");
    if (status !== 200) return undefined;
    page = text;
  } catch (error) {
    // Nobody answers. The clients say so in words.
    if (error instanceof BenchmarkError) return undefined;
    throw error;
  }
  const read = (name: string) => Number(page.match(new RegExp(`^${name} ([^\\s]+)`, "m"))?.[1]);
  const usage = { cpuSeconds: read("process_cpu_seconds_total"), rssBytes: read("process_resident_memory_bytes") };
  return Number.isNaN(usage.cpuSeconds + usage.rssBytes) ? undefined : usage;
}

export async function connectResp(server: ServerAddress): Promise<Target> {
  const { text, port } = server;
  const pong = await askResp(server, port, ["PING"]);
  if (pong !== "PONG") throw new BenchmarkError(`${text} answers PING with ${String(pong).slice(0, 80)}`);
  return {
    name: text,
    port,
    respPort: port,
    child: undefined,
    address: server,
    command: async () => {
      throw needsHttp(text);
    },
    usage: async () => undefined,
    holds: async () => [["keys", Number(await askResp(server, port, ["DBSIZE"]))]],
    stop: async () => undefined,
  };
}

export function needsHttp(text: string): BenchmarkError {
  return new BenchmarkError(
    `${text} speaks RESP alone, which is enough for kv --protocol resp: give --url http://HOST:PORT (https:// with TLS), and for RESP --resp-port PORT`,
  );
}

/** @throws BenchmarkError if nobody answers, or the token or the command is refused */
export async function askResp(server: ServerAddress, port: number, words: readonly string[]): Promise<RespValue> {
  const late = sleep(RESP_ANSWER_MS_MAX).then(() => Promise.reject(new Error("no answer")));
  let socket: ClientSocket | undefined;
  const exchange = async () => {
    socket = await askingOf("resp").open(port);
    return await askSocket(socket, respArray(words));
  };
  try {
    const answer = await Promise.race([late, exchange()]);
    const refusal = respRefusal(answer, 0, answer.length);
    if (refusal === undefined) return respValue(answer, 0);
    throw refused(server, words[0], refusal, refusal.startsWith("NOAUTH") ? "UNAUTHORIZED" : "");
  } catch (error) {
    if (error instanceof BenchmarkError) throw error;
    throw unreachable({ ...server, text: `${server.text} (RESP on ${port})` }, error);
  } finally {
    socket?.close();
  }
}
