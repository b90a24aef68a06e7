/** What the protocol of a scenario's clients means for its other options. */
import type { Protocol } from "../load/connection.ts";
import { BenchmarkError } from "../servers/benchmark-error.ts";

/** Of HTTP more, since each of them waits for its reply before it asks again. */
export const HTTP_PUBLISHERS = 10;
const NO_PIPELINE = 1;

export function publishersOf(protocol: Protocol, asked: number | undefined, preset: number): number {
  return asked ?? (protocol === "http" ? HTTP_PUBLISHERS : preset);
}

export function pipelineOf(protocol: Protocol, asked: number | undefined, preset: number): number {
  return asked ?? (protocol === "http" ? NO_PIPELINE : preset);
}

/** @param more the flag that has the same effect over HTTP */
export function checkPipeline(protocol: Protocol, pipeline: number, more = "--publishers"): void {
  if (protocol !== "http" || pipeline <= NO_PIPELINE) return;
  throw new BenchmarkError(
    `--pipeline above 1 does not go with --protocol http: take more ${more}, or --protocol ws or resp`,
  );
}

/** What "in order" means where several connections publish at a time. */
export function orderNote(publishers: number): string[] {
  return publishers === 1 ? [] : [`order is that of each of the ${publishers} connections that published`];
}

/** Of scenarios whose subscribers are pushed to, whatever their publishers speak. */
export function subscribersNote(protocol: Protocol): string[] {
  return protocol === "websocket"
    ? []
    : [`what is published goes over ${protocol}; subscribers have WebSockets, since what is pushed needs one`];
}
