/** Commands that make and remove rooms: stream.create, stream.get_or_create, stream.delete. */
import type { RoomConfig } from "../../state/room.ts";
import { named } from "../access-rule.ts";
import { writeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { TTL_SECS_MAX } from "../kv/deadline.ts";
import { Flag, Integer, Name, Optional, Struct } from "../schema.ts";

const EVENTS_MAX = 2 ** 32 - 1;
const BYTES_MAX = 2 ** 47;

const roomArguments = Struct({
  room: Name({ description: "The room's name." }),
  max_events: Optional(Integer({ minimum: 1, maximum: EVENTS_MAX, description: "Events kept; older ones go." })),
  max_bytes: Optional(
    Integer({
      minimum: 1,
      maximum: BYTES_MAX,
      description: "Bytes of events kept, with about 16 for each beside its own.",
    }),
  ),
  retention_secs: Optional(
    Integer({ minimum: 0, maximum: TTL_SECS_MAX, description: "Age at which an event goes; 0 for none." }),
  ),
});

interface RoomArguments {
  readonly max_events?: number;
  readonly max_bytes?: number;
  readonly retention_secs?: number;
}

function configOf({ max_events, max_bytes, retention_secs }: RoomArguments, defaults: RoomConfig): RoomConfig {
  if (max_events === undefined && max_bytes === undefined && retention_secs === undefined) return defaults;
  return {
    maxEvents: max_events ?? defaults.maxEvents,
    maxBytes: max_bytes ?? defaults.maxBytes,
    retentionMs: retention_secs === undefined ? defaults.retentionMs : retention_secs * 1000,
    dedupIdsMax: defaults.dedupIdsMax,
  };
}

export const streamCreate = writeCommand({
  name: "stream.create",
  access: "write",
  guard: named("room"),
  summary: "Creates an event room; it must not exist.",
  arguments: roomArguments,
  reply: Struct({ success: Flag(), room: Name() }),
  plan(args, { rooms }, { limits }) {
    const { room } = args;
    if (rooms.find(room) !== undefined) return fail("ROOM_EXISTS", "there is a room of this name", { room });
    const created = rooms.create(room, configOf(args, limits.room.defaults), limits.room);
    return isCommandError(created) ? created : { success: true, room };
  },
});

export const streamGetOrCreate = writeCommand({
  name: "stream.get_or_create",
  access: "write",
  guard: named("room"),
  summary: "Makes sure that there is an event room; one that exists is left as it is.",
  arguments: roomArguments,
  reply: Struct({ success: Flag(), room: Name(), created: Flag() }),
  plan(args, { rooms }, { limits }) {
    const { room } = args;
    if (rooms.find(room) !== undefined) return { success: true, room, created: false };
    const created = rooms.create(room, configOf(args, limits.room.defaults), limits.room);
    return isCommandError(created) ? created : { success: true, room, created: true };
  },
});

export const streamDelete = writeCommand({
  name: "stream.delete",
  access: "write",
  guard: named("room"),
  summary: "Removes a room and its events; its subscribers wait for the next room of the name.",
  arguments: Struct({ room: Name() }),
  reply: Struct({ deleted: Flag({ description: "False where there was no such room." }) }),
  atomic: false,
  plan(args, { rooms }) {
    const found = rooms.find(args.room);
    if (found?.room === undefined) return { deleted: false };
    rooms.remove(found.room);
    return { deleted: true };
  },
});

export function roomNotFound(room: unknown): CommandError {
  return fail("ROOM_NOT_FOUND", "there is no room of this name: create it, or publish to it", { room });
}
