/**
 * HTTP in a closed loop, made by autocannon. Latencies are taken from its events and not from its own histogram, which counts
 * whole milliseconds; every body is looked at for a failure. An open loop is not left to it: it starts a request when a
 * connection is idle, and does not know when it was due; nor is TLS, of which it trusts every certificate.
 */
import autocannon from "autocannon";
import type { Generated, Load } from "./load.ts";
import type { LoadTally } from "./load-tally.ts";
import { seededRandom } from "./random.ts";
import { targetAddress, targetAuthority } from "./target-address.ts";
import { type Command, drawCommand, failuresOf } from "./workload.ts";

/** Distinct requests of all connections together; each connection encodes its own. */
const REQUESTS_DRAWN_MAX = 20_000;
/** As many commands of each key as load-generator.ts draws. */
const REQUESTS_DRAWN_PER_KEY = 10;
const SAMPLE_MS = 50;
/** It is stopped long before. */
const DURATION_SECS_MAX = 100_000;
const SUCCESS = '{"success":true';

export function runAutocannon(load: Load, tally: LoadTally, measuring: () => void): Promise<Generated> {
  const { port, connections, requests = Number.POSITIVE_INFINITY, seconds, warmupSeconds = 0 } = load;
  const drawn = Math.min(REQUESTS_DRAWN_MAX, load.workload.keys * REQUESTS_DRAWN_PER_KEY);
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    let isMeasuring = false;
    let counted: Omit<Generated, "commandsSent"> | undefined;
    const finished = (error: unknown) => {
      if (error) reject(error);
      else resolve({ ...(counted ?? tally.end()), commandsSent: sent * load.workload.batch });
    };
    const options: autocannon.Options = {
      url: `http://${targetAuthority(port)}/api/v1/command`,
      connections,
      sampleInt: SAMPLE_MS,
      setupClient: (client) => client.setRequests(drawRequests(load, Math.ceil(drawn / connections))),
      verifyBody: (body) => {
        // Of one process, each body is text; a failure is counted by its code and is not autocannon's to judge.
        const text = String(body);
        if (load.httpDialect !== "webdis" && !text.startsWith(SUCCESS))
          tally.failed(failuresOf("http", Buffer.from(text)));
        return true;
      },
      // Not by its `amount`, which the warm-up would count towards.
      duration: DURATION_SECS_MAX,
    };
    const instance = autocannon(options, finished);
    const begin = () => {
      isMeasuring = true;
      measuring();
      tally.begin();
    };
    const end = () => {
      counted ??= tally.end();
      instance.stop();
    };
    if (warmupSeconds === 0) begin();
    else setTimeout(begin, warmupSeconds * 1_000);
    if (!Number.isFinite(requests)) setTimeout(end, (warmupSeconds + (seconds ?? 1)) * 1_000);
    instance.on("response", (_client, status, _bytes, latencyMs) => {
      if (status !== 200 && load.httpDialect === "webdis") tally.failed([`HTTP ${status}`]);
      sent += 1;
      if (!isMeasuring || counted !== undefined) return;
      tally.add(latencyMs);
      answered += 1;
      if (answered === requests) end();
    });
    instance.on("reqError", (error: unknown) => {
      instance.stop();
      reject(new Error(`the server closed a connection: ${error instanceof Error ? error.message : String(error)}`));
    });
  });
}

/** Every connection of every process begins with another number, so that the connections ask for different keys. */
let connectionsDrawn = 0;

function drawRequests({ workload, seed, httpDialect }: Load, count: number): autocannon.Request[] {
  connectionsDrawn += 1;
  const random = seed === undefined ? Math.random : seededRandom(seed * 1_000 + connectionsDrawn);
  return Array.from({ length: count }, () => {
    const commands = Array.from({ length: workload.batch }, () => drawCommand(workload, random));
    if (httpDialect === "webdis") return webdisRequest(commands[0]);
    const envelope = commands.length === 1 ? commands[0] : { type: "batch", commands };
    const { token } = targetAddress();
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const headers = { "content-type": "application/json", ...authorization };
    return { method: "POST", path: "/api/v1/command", headers, body: JSON.stringify(envelope) };
  });
}

/** webdis answers another status than 200 where a command fails, which autocannon counts. */
function webdisRequest({ command, payload }: Command): autocannon.Request {
  // What `drawCommand` makes.
  const { key, value } = payload as { key: string; value?: string };
  const words = command === "kv.get" ? ["GET", key] : ["SET", key, value ?? ""];
  return { method: "GET", path: `/${words.map(encodeURIComponent).join("/")}` };
}
