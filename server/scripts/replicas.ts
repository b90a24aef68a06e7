/**
 * `npm run replicas`: a master and its replicas on this machine, to try reads from replicas and failover with.
 *
 *     npm run replicas                                    three replicas, free ports, a directory that goes with them
 *     npm run replicas -- --replicas 2 --port 15500 --data-dir cluster
 *
 * The master takes the port, the replicas the ones after it. Ctrl-C stops all.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const PROGRAM = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const READY = /ready: (http:\/\/\S+)/;
const REPLICAS_MAX = 16;
const POLL_MS = 50;

const { values: options } = parseArgs({
  options: {
    replicas: { type: "string", default: "3" },
    port: { type: "string" },
    "data-dir": { type: "string" },
  },
});
const replicaCount = Number(options.replicas);
if (!Number.isInteger(replicaCount) || replicaCount < 1 || replicaCount > REPLICAS_MAX) {
  throw new Error(`--replicas is a number from 1 to ${REPLICAS_MAX}`);
}
const firstPort = options.port === undefined ? undefined : Number(options.port);
const directory =
  options["data-dir"] === undefined ? mkdtempSync(join(tmpdir(), "synap-replicas-")) : resolve(options["data-dir"]);
mkdirSync(directory, { recursive: true });

const running = new Set<ChildProcess>();
let isStopping = false;

/** Resolves with its address when it is ready. What it warns of is shown under its name. */
function start(name: string, index: number, args: readonly string[]): Promise<string> {
  const port = firstPort === undefined ? 0 : firstPort + index;
  const own = ["--port", String(port), "--resp-port", "0", "--data-dir", join(directory, name)];
  const child = spawn(process.execPath, [PROGRAM, ...own, "--set", "logging.format=pretty", ...args], {
    cwd: directory,
    // A group of its own: ctrl-C reaches this process alone, which stops the replicas first.
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  return new Promise((ready, failed) => {
    child.once("exit", (code) => {
      running.delete(child);
      if (!isStopping) console.log(`${name} has ended with code ${code}`);
      failed(new Error(`${name} did not start`));
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.trimEnd().split("\n")) console.log(`${name.padEnd(10)} ${line}`);
      const found = READY.exec(text);
      if (found !== null) ready(found[1]);
    });
  });
}

/** It has the data of its master. For that it starts again once, so that it may not listen for a moment. */
async function untilReady(address: string): Promise<void> {
  for (;;) {
    const isReady = await fetch(`${address}/ready`).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (isReady) return;
    await delay(POLL_MS);
  }
}

async function stopAll(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  // The replicas first: none of them looks for its master then.
  for (const child of [...running].reverse()) {
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }
  if (options["data-dir"] === undefined) rmSync(directory, { recursive: true, force: true });
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stopAll());

const master = await start("master", 0, []);
const replicas = await Promise.all(
  Array.from({ length: replicaCount }, (_, i) => start(`replica-${i + 1}`, i + 1, ["--replica-of", master])),
);
await Promise.all(replicas.map(untilReady));
console.log(`
master     ${master}
${replicas.map((address, i) => `replica-${i + 1}  ${address}`).join("\n")}

write      curl -s ${master}/api/v1/command -H 'content-type: application/json' -d '{"command":"kv.set","payload":{"key":"a","value":1}}'
read       curl -s ${replicas[0]}/api/v1/command -H 'content-type: application/json' -d '{"command":"kv.get","payload":{"key":"a"}}'
promote    curl -s ${replicas[0]}/api/v1/command -H 'content-type: application/json' -d '{"command":"admin.promote","payload":{}}'
lag        curl -s ${master}/health/replication

ctrl-C stops all of them${options["data-dir"] === undefined ? ", and their data goes with them" : `; their data is in ${directory}`}
`);
