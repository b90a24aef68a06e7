/** Subscribing to rooms and publishing to them, on Synap and on bare-room-server.ts; their pushes look alike. */
import { pack } from "msgpackr";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { frameOf } from "../load/connection.ts";
import { fieldAt, fieldName } from "../load/message-pack-fields.ts";
import { frameFor, INSTANT_DIGITS, perform, writeDigits } from "../load/requests.ts";

export type RoomServer = "synap" | "bare";

export interface RoomDialect {
  /** A socket that gets all new events of a room. */
  subscriber(port: number, room: number): Promise<ClientSocket>;
  publisher(port: number): Promise<ClientSocket>;
  encoder(room: number, dataBytes: number): EventEncoder;
}

/**
 * The request that publishes one event, whose data begins with the instant it was due.
 * @returns bytes that the next call overwrites.
 */
export type EventEncoder = (offset: number, dueMs: number) => Buffer;

export const EVENT = "reading";

export function roomName(room: number): string {
  return `room-${String(room).padStart(4, "0")}`;
}

export function roomDialect(server: RoomServer): RoomDialect {
  return server === "synap" ? synapRooms : bareRooms;
}

/** Data that begins with the place of an instant. */
function dataOf(bytes: number): string {
  return "0".repeat(INSTANT_DIGITS).padEnd(bytes, "d");
}

const synapRooms: RoomDialect = {
  async subscriber(port, room) {
    const socket = await openWebSocket(port);
    await perform(socket, "stream.subscribe", { room: roomName(room) });
    return socket;
  },
  publisher: (port) => openWebSocket(port),
  encoder(room, dataBytes) {
    const payload = { room: roomName(room), event: EVENT, data: dataOf(dataBytes) };
    const frame = frameFor({ command: "stream.publish", payload });
    return (_offset, dueMs) => {
      writeDigits(frame, frame.length - dataBytes, INSTANT_DIGITS, Math.round(dueMs * 1_000));
      return frame;
    };
  },
};

/** Takes four bytes, so that any offset can be put in its place. */
const OFFSET_PLACEHOLDER = 0x7fffffff;

const bareRooms: RoomDialect = {
  subscriber: (port, room) => openWebSocket(port, `/api/v1/ws?room=${room}`),
  publisher: (port) => openWebSocket(port),
  encoder(room, dataBytes) {
    // What Synap pushes, made by the publisher; its data is last so that it can be found.
    const push = pack({
      type: "event",
      subscription_id: 100_000,
      room: roomName(room),
      id: "0000000000",
      offset: OFFSET_PLACEHOLDER,
      event: EVENT,
      timestamp: Date.now(),
      data: dataOf(dataBytes),
    });
    const offsetInPush = fieldAt(push, 0, fieldName("offset")) + 1;
    const frame = frameOf("websocket", Buffer.concat([Buffer.from([room >> 8, room & 0xff]), push]), 0);
    const offsetAt = frame.length - push.length + offsetInPush;
    return (offset, dueMs) => {
      frame.writeUInt32BE(offset, offsetAt);
      writeDigits(frame, frame.length - dataBytes, INSTANT_DIGITS, Math.round(dueMs * 1_000));
      return frame;
    };
  },
};
