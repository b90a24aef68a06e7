/** What the gates look at: one hot command each, and the bare handler's work that its CPU time is divided by. */
import type { Protocol } from "../load/connection.ts";
import { type Command, drawValue, keyOf, VALUE_BYTES } from "../load/workload.ts";

export interface GateCase {
  readonly name: string;
  readonly protocol: Protocol;
  /** The bare handler speaks no RESP; there its WebSocket is the measure. */
  readonly bareProtocol: "websocket" | "http";
  readonly command: (index: number, random: () => number) => Command;
  /** Requests of a connection without a reply. */
  readonly pipeline: number;
}

export const KEYS = 10_000;
const ROOMS = 50;
const TOPICS = 100;

const get = (_index: number, random: () => number): Command => ({
  command: "kv.get",
  payload: { key: keyOf(Math.floor(random() * KEYS)) },
});
const set = (_index: number, random: () => number): Command => ({
  command: "kv.set",
  payload: { key: keyOf(Math.floor(random() * KEYS)), value: drawValue(VALUE_BYTES, random) },
});

export const GATE_CASES: readonly GateCase[] = [
  { name: "kv.get, WebSocket", protocol: "websocket", bareProtocol: "websocket", pipeline: 8, command: get },
  { name: "kv.set, WebSocket", protocol: "websocket", bareProtocol: "websocket", pipeline: 8, command: set },
  { name: "kv.get, HTTP", protocol: "http", bareProtocol: "http", pipeline: 1, command: get },
  { name: "GET, RESP", protocol: "resp", bareProtocol: "websocket", pipeline: 16, command: get },
  { name: "SET, RESP", protocol: "resp", bareProtocol: "websocket", pipeline: 16, command: set },
  {
    name: "stream.publish, WebSocket",
    protocol: "websocket",
    bareProtocol: "websocket",
    pipeline: 8,
    command: (index, random) => ({
      command: "stream.publish",
      payload: { room: `room-${index % ROOMS}`, event: "reading", data: drawValue(VALUE_BYTES, random) },
    }),
  },
  {
    name: "pubsub.publish, WebSocket",
    protocol: "websocket",
    bareProtocol: "websocket",
    pipeline: 8,
    command: (index, random) => ({
      command: "pubsub.publish",
      payload: { topic: `gate.${index % TOPICS}`, payload: drawValue(VALUE_BYTES, random) },
    }),
  },
];
