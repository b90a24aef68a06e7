/** Which commands a load consists of, and their encoded requests. */
import { Packr, unpack } from "msgpackr";
import { frameOf, type Protocol } from "./connection.ts";
import { respRequest } from "./resp-words.ts";

export type Operation = "get" | "set" | "set_ttl" | "incr" | "scan";

export interface Workload {
  /** The share of each operation; together 1. */
  readonly mix: Readonly<Partial<Record<Operation, number>>>;
  /** Keys are drawn evenly from this many. */
  readonly keys: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Commands per request; 1 sends a plain command. */
  readonly batch: number;
  /** Of `set_ttl`: the time to live is drawn evenly between the two. */
  readonly ttlMs?: readonly [number, number];
}

export const KEY_BYTES = 16;
export const VALUE_BYTES = 100;

/** A scan of a prefix ending before the last two digits finds this many keys. */
const SCAN_KEYS = 100;

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** `key:000000000042` */
export function keyOf(index: number, keyBytes = KEY_BYTES): string {
  return `key:${String(index).padStart(keyBytes - 4, "0")}`;
}

/** Text that differs from call to call in its first bytes. */
export function drawValue(bytes: number, random: () => number = Math.random): string {
  return random().toString(36).slice(2, 10).padEnd(bytes, "v").slice(0, bytes);
}

export interface Command {
  readonly command: string;
  readonly payload: object;
}

/** Encodes one command, or several as a batch, for the wire. */
export function requestOf(protocol: Protocol, port: number, commands: readonly Command[]): Buffer {
  if (protocol === "resp") {
    return Buffer.concat(commands.map(({ command, payload }) => respRequest(command, payload)));
  }
  const envelope = commands.length === 1 ? commands[0] : { type: "batch", commands };
  const body = protocol === "websocket" ? packr.pack(envelope) : Buffer.from(JSON.stringify(envelope));
  return frameOf(protocol, body, port);
}

/** Draws a request of the workload. */
export function drawRequest(
  protocol: Protocol,
  port: number,
  workload: Workload,
  random: () => number = Math.random,
): Buffer {
  return requestOf(
    protocol,
    port,
    Array.from({ length: workload.batch }, () => drawCommand(workload, random)),
  );
}

export function drawCommand(workload: Workload, random: () => number): Command {
  const key = keyOf(Math.floor(random() * workload.keys), workload.keyBytes);
  const operation = drawOperation(workload, random);
  switch (operation) {
    case "get":
      return { command: "kv.get", payload: { key } };
    case "set":
      return { command: "kv.set", payload: { key, value: drawValue(workload.valueBytes, random) } };
    case "set_ttl": {
      const [least, most] = workload.ttlMs ?? [1_000, 1_000];
      const ttl_ms = Math.floor(least + random() * (most - least));
      return {
        command: "kv.set",
        payload: { key: `${key}:ttl`, value: drawValue(workload.valueBytes, random), ttl_ms },
      };
    }
    case "incr":
      return { command: "kv.incr", payload: { key: `counter:${key}` } };
    case "scan":
      return { command: "kv.scan", payload: { prefix: key.slice(0, -2), limit: SCAN_KEYS } };
  }
}

function drawOperation({ mix }: Workload, random: () => number): Operation {
  let rest = random();
  let drawn: Operation = "get";
  for (const operation of Object.keys(mix) as Operation[]) {
    drawn = operation;
    rest -= mix[operation] ?? 0;
    if (rest < 0) break;
  }
  return drawn;
}

interface ReplyEnvelope {
  readonly success: boolean;
  readonly payload?: unknown;
  readonly code?: string;
  readonly results?: readonly ReplyEnvelope[];
}

/** @throws if a reply, or one of a batch, is not a success, or has not as many results as there were commands. */
export function checkReply(protocol: Protocol, body: Buffer, batch: number): void {
  if (protocol === "resp") return;
  const reply = decodeReply(protocol, body);
  const results = batch === 1 ? [reply] : (reply.results ?? []);
  if (results.length === batch && results.every(({ success }) => success)) return;
  throw new Error(`not what was asked for: ${JSON.stringify(reply).slice(0, 500)}`);
}

/** The codes of the commands that a reply says have failed. */
export function failuresOf(protocol: Protocol, body: Buffer): string[] {
  // `-CODE a sentence`
  if (protocol === "resp") return [body.toString("latin1", 1).split(/\s/, 1)[0]];
  const reply = decodeReply(protocol, body);
  return (reply.success ? (reply.results ?? []) : [reply])
    .filter(({ success }) => !success)
    .map(({ code }) => code ?? "without a code");
}

function decodeReply(protocol: Protocol, body: Buffer): ReplyEnvelope {
  // The contract's envelope (section 2).
  return (protocol === "websocket" ? unpack(body) : JSON.parse(body.toString())) as ReplyEnvelope;
}
