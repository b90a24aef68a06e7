/** A process that subscribes to rooms from their first event and waits until it has everything there is. */

import { serve } from "../load/client-process.ts";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { fieldAt, fieldName, numberAt } from "../load/message-pack-fields.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { frameFor } from "../load/requests.ts";
import { roomName } from "./room-dialects.ts";

export interface RoomReplayConfig {
  readonly port: number;
  readonly rooms: number;
  readonly events: number;
}

/** Comes with `done`. */
export interface RoomReplayed {
  readonly seconds: number;
}

const OFFSET = fieldName("offset");
const SUCCESS = fieldName("success");
const TRUE = 0xc3;

serve<RoomReplayConfig>(async ({ port, rooms, events }, benchmark) => {
  const sockets: ClientSocket[] = [];
  for (let room = 0; room < rooms; room++) sockets.push(await openWebSocket(port));
  benchmark.tell("ready");
  await benchmark.until("go");
  const startMs = monotonicMs();
  await Promise.all(sockets.map((socket, room) => replay(socket, room, events)));
  const replayed: RoomReplayed = { seconds: (monotonicMs() - startMs) / 1_000 };
  benchmark.tell("done", replayed);
});

function replay(socket: ClientSocket, room: number, events: number): Promise<void> {
  return new Promise((resolve) => {
    let next = 0;
    socket.onMessage = (bytes, start, end) => {
      const success = fieldAt(bytes, start, SUCCESS);
      if (success >= 0) {
        if (bytes[success] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
        return;
      }
      const at = fieldAt(bytes, start, OFFSET);
      const offset = at < 0 ? Number.NaN : numberAt(bytes, at);
      if (offset !== next) throw new Error(`room ${room} replayed ${bytes.toString("latin1", start, end)} for ${next}`);
      next += 1;
      if (next === events) resolve();
    };
    socket.send(frameFor({ command: "stream.subscribe", payload: { room: roomName(room), from_offset: 0 } }));
  });
}
