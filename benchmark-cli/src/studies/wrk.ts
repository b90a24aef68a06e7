/** wrk, the load generator of the HTTP benchmark. One thread saturates any of the servers here. */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { cpuSeconds, start } from "../servers/processes.ts";

const SCRIPTS = fileURLToPath(new URL("../../scripts/", import.meta.url));
const CONNECTIONS = 50;

export interface WrkResult {
  readonly requestsPerSec: number;
  /** CPU seconds per second of the server, or of the servers, under load. */
  readonly serverCpu: number;
}

/**
 * @param script one of scripts/, without `.lua`
 * @throws if a request failed or was answered with another status than 200
 */
export async function runWrk(
  script: string,
  port: number,
  seconds: number,
  keys: number,
  servers: readonly ChildProcess[],
): Promise<WrkResult> {
  const args = [
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    "-s",
    `${SCRIPTS}${script}.lua`,
    `http://127.0.0.1:${port}`,
  ];
  const cpu = () => servers.reduce((sum, server) => sum + cpuSeconds(server), 0);
  const cpuStart = cpu();
  const wrk = start("wrk", args, { env: { ...process.env, KEYS: `${keys}` }, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  wrk.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  await new Promise((resolve) => wrk.once("close", resolve));
  const serverCpu = (cpu() - cpuStart) / seconds;
  const requestsPerSec = Number(text.match(/Requests\/sec:\s+([\d.]+)/)?.[1]);
  if (!(requestsPerSec > 0) || /Non-2xx|Socket errors/.test(text)) throw new Error(`wrk on ${script}:\n${text}`);
  return { requestsPerSec, serverCpu };
}
