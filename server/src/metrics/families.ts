/** Metric families as the registry wants them: read when the page is asked for, and at no other time. */
import type { Family, Sample } from "prom-client/lib/registry.js";

export interface Metric {
  readonly name: string;
  get(): Family;
}

/** One number. */
export function single(type: "counter" | "gauge", name: string, help: string, read: () => number): Metric {
  return { name, get: () => ({ name, help, type, values: [{ value: read() }] }) };
}

/** A number for each set of labels. */
export function labelled(
  type: "counter" | "gauge" | "summary",
  name: string,
  help: string,
  read: () => readonly Sample[],
): Metric {
  return { name, get: () => ({ name, help, type, values: read() }) };
}
