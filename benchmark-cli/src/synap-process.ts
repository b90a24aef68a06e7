/** The server under test, as a process of its own. */
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { start, stop, temporaryDirectory } from "./processes.ts";

const BUILT_SERVER = fileURLToPath(new URL("../../server/dist/main.js", import.meta.url));
const READY_MS_MAX = 10_000;

export interface Synap {
  readonly child: ChildProcess;
  readonly port: number;
  /** That of RESP; 0 where there is none. */
  readonly respPort: number;
  /** From the start of the process to its ready line. */
  readonly readyMs: number;
  /** Runs one command over HTTP and answers its payload. */
  command(name: string, payload?: object): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

/**
 * @param program the server's main.js; the built one by default
 * @param nodeArgs for node itself, such as a module to import first
 * @param ipc opens a channel to the process, for such a module
 */
export async function startSynap(
  program = BUILT_SERVER,
  { args = [], nodeArgs = [], ipc = false }: { args?: string[]; nodeArgs?: string[]; ipc?: boolean } = {},
): Promise<Synap> {
  if (!existsSync(program)) throw new Error(`the server is not built: npm run build`);
  // A directory of its own, so that no synap.yml of the working directory is read.
  const cwd = temporaryDirectory();
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SYNAP_")));
  const startedMs = performance.now();
  const child = start(process.execPath, [...nodeArgs, program, "--port", "0", ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "inherit", ...(ipc ? (["ipc"] as const) : [])],
  });
  const { port, respPort } = await portsOfReadyLine(child);
  const readyMs = performance.now() - startedMs;
  return {
    child,
    port,
    respPort,
    readyMs,
    async command(name, payload = {}) {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/command`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ command: name, payload }),
      });
      const reply = (await response.json()) as { success: boolean; payload: Record<string, unknown> };
      if (!reply.success) throw new Error(`${name} failed: ${JSON.stringify(reply)}`);
      return reply.payload;
    },
    stop: () => stop(child),
  };
}

function portsOfReadyLine(child: ChildProcess): Promise<{ port: number; respPort: number }> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timeout = setTimeout(() => reject(new Error(`the server is not ready: ${text}`)), READY_MS_MAX);
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const ready = text.match(/ready: http:\/\/[^:]+:(\d+).*\n/);
      if (ready === null) return;
      clearTimeout(timeout);
      const resp = ready[0].match(/redis:\/\/[^:]+:(\d+)/);
      resolve({ port: Number(ready[1]), respPort: resp === null ? 0 : Number(resp[1]) });
    });
    child.once("exit", (code) => reject(new Error(`the server ended with code ${code}: ${text}`)));
  });
}
