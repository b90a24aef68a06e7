/** Subscribing to rooms and publishing to them, on Synap and on bare-room-server.ts; their pushes look alike. */
import { pack } from "msgpackr";
import { askingOf } from "../load/asking.ts";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { frameOf, type Protocol } from "../load/connection.ts";
import { fieldAt, fieldName } from "../load/message-pack-fields.ts";
import { PacedLane } from "../load/paced-lane.ts";
import { INSTANT_DIGITS, perform, writeDigits } from "../load/requests.ts";
import { requestOf } from "../load/workload.ts";

export type RoomServer = "synap" | "bare";

export interface RoomDialect {
  /** A socket that gets all new events of a room. */
  subscriber(port: number, room: number): Promise<ClientSocket>;
  /** A connection of what publishes, in the order of its requests. */
  publisher(latencies: PublishLatencies): Promise<PacedLane>;
  encoder(room: number, dataBytes: number): EventEncoder;
}

/** Where rooms are published to, and how. */
export interface RoomPublishing {
  readonly protocol: Protocol;
  readonly port: number;
  /** Connections of each process that publishes. */
  readonly publishers: number;
}

/** Hears how long each request took. */
export type PublishLatencies = ConstructorParameters<typeof PacedLane>[1];

/**
 * The request that publishes one event, whose data begins with the instant it was due.
 * @returns bytes that the next call overwrites.
 */
export type EventEncoder = (offset: number, dueMs: number) => Buffer;

export const EVENT = "reading";

export function roomName(room: number): string {
  return `room-${String(room).padStart(4, "0")}`;
}

export function roomDialect(server: RoomServer, publishing: RoomPublishing): RoomDialect {
  return server === "synap" ? synapRooms(publishing) : bareRooms(publishing);
}

/** Data that begins with the place of an instant. */
function dataOf(bytes: number): string {
  return "0".repeat(INSTANT_DIGITS).padEnd(bytes, "d");
}

function synapRooms({ protocol, port: publishPort }: RoomPublishing): RoomDialect {
  const asking = askingOf(protocol);
  return {
    async subscriber(port, room) {
      const socket = await openWebSocket(port);
      await perform(socket, "stream.subscribe", { room: roomName(room) });
      return socket;
    },
    publisher: async (latencies) => new PacedLane(await asking.open(publishPort), latencies, asking),
    encoder(room, dataBytes) {
      const data = dataOf(dataBytes);
      const payload = { room: roomName(room), event: EVENT, data };
      const frame = requestOf(protocol, publishPort, [{ command: "stream.publish", payload }]);
      const at = frame.indexOf(data);
      return (_offset, dueMs) => {
        writeDigits(frame, at, INSTANT_DIGITS, Math.round(dueMs * 1_000));
        return frame;
      };
    },
  };
}

/** Takes four bytes, so that any offset can be put in its place. */
const OFFSET_PLACEHOLDER = 0x7fffffff;

const bareRooms = ({ port: publishPort }: RoomPublishing): RoomDialect => ({
  subscriber: (port, room) => openWebSocket(port, `/api/v1/ws?room=${room}`),
  publisher: async (latencies) => new PacedLane(await openWebSocket(publishPort), latencies),
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
});
