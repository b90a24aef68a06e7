/** The state of all rooms as text, for comparing nodes and for reading. What is node-local is left out. */
import type { ByteRange } from "../structures/byte-range.ts";
import type { Room } from "./room.ts";
import type { RoomCursor } from "./room-cursor.ts";
import type { RoomStore } from "./room-store.ts";
import { TAG_NAMES } from "./value.ts";

export function dumpRooms(store: RoomStore): string {
  const lines: string[] = [];
  const cursor = store.cursor();
  store.scan(undefined, undefined, (room) => {
    dumpRoom(room, cursor, lines);
    return true;
  });
  return lines.join("\n");
}

function dumpRoom(room: Room, cursor: RoomCursor, lines: string[]): void {
  const { maxEvents, maxBytes, retentionMs, dedupIdsMax } = room.config;
  lines.push(
    `room ${JSON.stringify(room.name)} id ${room.id} created ${room.createdAtMs} published ${room.lastPublishAtMs}`,
    `  limits events ${maxEvents} bytes ${maxBytes} retention ${retentionMs} dedup ${dedupIdsMax}`,
    `  offsets ${room.oldestOffset} to before ${room.nextOffset} bytes ${room.bytes}`,
  );
  const remembered = room.dedup?.offsets(room) ?? [];
  if (remembered.length > 0) lines.push(`  dedup ids of ${remembered.join(" ")}`);
  cursor.seek(room, room.oldestOffset);
  while (cursor.next()) {
    const { event, data, metadata, dedupId } = cursor;
    const parts = `${text(event)} ${TAG_NAMES[data.tag]} ${text(data)} ${text(metadata)} ${text(dedupId)}`;
    lines.push(`  ${cursor.offset} at ${cursor.timestampMs} ${parts}`);
  }
}

/** One character per byte: no two contents look the same. */
function text({ bytes, start, end }: ByteRange): string {
  return JSON.stringify(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1"));
}
