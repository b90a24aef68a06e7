/** Fills the log of a server with operations of one kind, as many commands each of which is a record of its own. */
import { unpack } from "msgpackr";
import { ask, type ClientSocket, openWebSocket } from "./client-socket.ts";
import { frameFor } from "./requests.ts";
import { type Command, drawValue, keyOf, VALUE_BYTES } from "./workload.ts";

export const LOG_KINDS = ["set", "incr", "queue", "event"] as const;
export type LogKind = (typeof LOG_KINDS)[number];

/** Operations that one unit of a kind makes: a message is published, delivered and acknowledged. */
export const OPERATIONS_OF: Readonly<Record<LogKind, number>> = { set: 1, incr: 1, queue: 3, event: 1 };

const QUEUE = "recovery";
const ROOM = "recovery";
const FRAME_COMMANDS = 1_000;
const FRAMES_IN_FLIGHT = 4;
/** Acknowledged in time, however slow the machine. */
const DEADLINE_SECS = 3_600;

/** @param keys that `set` and `incr` are spread over */
export async function fillLog(port: number, kind: LogKind, units: number, keys: number): Promise<void> {
  const socket = await openWebSocket(port);
  switch (kind) {
    case "set":
      await sendAll(socket, units, () => {
        const payload = { key: keyOf(Math.floor(Math.random() * keys)), value: drawValue(VALUE_BYTES) };
        return { command: "kv.set", payload };
      });
      break;
    case "incr":
      await sendAll(socket, units, () => ({
        command: "kv.incr",
        payload: { key: `counter:${Math.floor(Math.random() * keys)}` },
      }));
      break;
    case "queue":
      await passMessages(socket, units);
      break;
    case "event": {
      const payload = { room: ROOM, event: "reading", data: drawValue(VALUE_BYTES) };
      await results(socket, [{ command: "stream.get_or_create", payload: { room: ROOM } }]);
      await sendAll(socket, units, () => ({ command: "stream.publish", payload }));
    }
  }
  socket.close();
}

/** Frames of many commands, some of them under way at a time. */
async function sendAll(socket: ClientSocket, count: number, command: () => Command): Promise<void> {
  let sent = 0;
  let pending = 0;
  await new Promise<void>((resolve, reject) => {
    const send = () => {
      while (pending < FRAMES_IN_FLIGHT && sent < count) {
        const size = Math.min(FRAME_COMMANDS, count - sent);
        sent += size;
        pending += 1;
        socket.send(frameFor(...Array.from({ length: size }, command)));
      }
    };
    socket.onMessage = (bytes, start, end) => {
      pending -= 1;
      try {
        checked(bytes.subarray(start, end));
      } catch (error) {
        reject(error);
      }
      if (pending === 0 && sent === count) resolve();
      else send();
    };
    send();
  });
}

/** Message by message: published, consumed, acknowledged. */
async function passMessages(socket: ClientSocket, count: number): Promise<void> {
  const payload = drawValue(VALUE_BYTES);
  for (let done = 0; done < count; done += FRAME_COMMANDS) {
    const size = Math.min(FRAME_COMMANDS, count - done);
    const times = (command: Command) => Array.from({ length: size }, () => command);
    await results(socket, times({ command: "queue.publish", payload: { queue: QUEUE, payload } }));
    const consume = { command: "queue.consume", payload: { queue: QUEUE, ack_deadline: DEADLINE_SECS } };
    const taken = await results(socket, times(consume));
    const acknowledgements = taken.map((reply) => {
      // The contract's reply of queue.consume.
      const { message } = reply as { message: { id: unknown; delivery_id: unknown } };
      const ids = { message_id: message.id, delivery_id: message.delivery_id };
      return { command: "queue.ack", payload: { queue: QUEUE, ...ids } };
    });
    await results(socket, acknowledgements);
  }
}

async function results(socket: ClientSocket, commands: readonly Command[]): Promise<readonly unknown[]> {
  return checked(await ask(socket, frameFor(...commands)));
}

interface Reply {
  readonly success: boolean;
  readonly payload?: unknown;
  readonly results?: readonly Reply[];
}

/** @throws if any of them is not a success. */
function checked(bytes: Buffer): readonly unknown[] {
  const reply = unpack(bytes) as Reply;
  const replies = reply.results ?? [reply];
  const failed = replies.find(({ success }) => !success);
  if (failed !== undefined) throw new Error(`refused: ${JSON.stringify(failed)}`);
  return replies.map(({ payload }) => payload);
}
