/**
 * The host that all clients connect to. They run in processes of their own, which inherit the environment, so one variable
 * reaches them all; a server that a benchmark starts is always on the loopback address.
 */
const VARIABLE = "SYNAP_BENCHMARK_HOST";
const LOOPBACK = "127.0.0.1";

export function targetHost(): string {
  return process.env[VARIABLE] ?? LOOPBACK;
}

/** For this process and those that it starts from now on. */
export function setTargetHost(host: string | undefined): void {
  if (host === undefined) delete process.env[VARIABLE];
  else process.env[VARIABLE] = host;
}
