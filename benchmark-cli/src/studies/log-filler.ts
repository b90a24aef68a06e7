/** Fills the log of a server with operations of one kind. Each command is a message, and a record, of its own. */
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { fieldAt, fieldName } from "../load/message-pack-fields.ts";
import { frameFor, perform } from "../load/requests.ts";
import { drawValue, keyOf, VALUE_BYTES } from "../load/workload.ts";
import { queueDialect, type Step } from "../queue/queue-dialects.ts";

export const LOG_KINDS = ["set", "incr", "queue", "event"] as const;
export type LogKind = (typeof LOG_KINDS)[number];

/** Operations that one unit of a kind makes: a message is published, delivered and acknowledged. */
export const OPERATIONS_OF: Readonly<Record<LogKind, number>> = { set: 1, incr: 1, queue: 3, event: 1 };

const ROOM = "recovery";
const IN_FLIGHT = 2_000;
const SUCCESS = fieldName("success");
const TRUE = 0xc3;

/** @param keys that `set` and `incr` are spread over */
export async function fillLog(port: number, kind: LogKind, units: number, keys: number): Promise<void> {
  const socket = await openWebSocket(port);
  switch (kind) {
    case "set":
      await sendAll(socket, units, () =>
        frameFor({ command: "kv.set", payload: { key: keyOf(drawIndex(keys)), value: drawValue(VALUE_BYTES) } }),
      );
      break;
    case "incr":
      await sendAll(socket, units, () =>
        frameFor({ command: "kv.incr", payload: { key: `counter:${drawIndex(keys)}` } }),
      );
      break;
    case "queue":
      await passMessages(socket, port, units);
      break;
    case "event": {
      await perform(socket, "stream.get_or_create", { room: ROOM });
      const payload = { room: ROOM, event: "reading", data: drawValue(VALUE_BYTES) };
      const frame = frameFor({ command: "stream.publish", payload });
      await sendAll(socket, units, () => frame);
    }
  }
  socket.close();
}

function drawIndex(keys: number): number {
  return Math.floor(Math.random() * keys);
}

function sendAll(socket: ClientSocket, count: number, frame: () => Buffer): Promise<void> {
  let sent = 0;
  let answered = 0;
  return new Promise((resolve) => {
    socket.onMessage = (bytes, start, end) => {
      const success = fieldAt(bytes, start, SUCCESS);
      if (success < 0 || bytes[success] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
      answered += 1;
      if (answered === count) resolve();
      else if (sent < count) send();
    };
    const send = () => {
      sent += 1;
      socket.append(frame());
    };
    while (sent < Math.min(count, IN_FLIGHT)) send();
    socket.flush();
  });
}

/** Each message is published, then consumed, then acknowledged; many of them at a time. */
function passMessages(socket: ClientSocket, port: number, count: number): Promise<void> {
  const dialect = queueDialect("websocket", port, VALUE_BYTES);
  let put = 0;
  let passed = 0;
  return new Promise((resolve) => {
    const done = (step: Step) => {
      if (step === "put") dialect.reserve(socket);
      if (step !== "delete") return;
      passed += 1;
      if (passed === count) resolve();
      else if (put < count) begin();
    };
    socket.onMessage = (bytes, start, end) => dialect.received(socket, bytes, start, end, done);
    const begin = () => {
      put += 1;
      dialect.put(socket);
    };
    while (put < Math.min(count, IN_FLIGHT)) begin();
    socket.flush();
  });
}
