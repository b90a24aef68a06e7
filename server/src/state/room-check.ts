/** The checks of a room store's structures against each other. For tests: they walk everything. */
import type { DeadlineHeap } from "../structures/deadline-heap.ts";
import type { RadixTree } from "../structures/radix-tree.ts";
import type { SlabAllocator } from "../structures/slab-allocator.ts";
import type { Room } from "./room.ts";
import type { RoomStore } from "./room-store.ts";
import type { RoomUse } from "./room-use.ts";

/** What the store has beside what it shows. */
export interface RoomStoreParts {
  readonly blocks: SlabAllocator;
  readonly tables: SlabAllocator;
  readonly names: SlabAllocator;
  readonly tree: RadixTree;
  readonly trims: DeadlineHeap;
  readonly use: RoomUse;
}

/** Throws where the structures disagree. */
export function checkRooms(store: RoomStore, { blocks, tables, names, tree, trims, use }: RoomStoreParts): void {
  blocks.checkInvariants();
  tables.checkInvariants();
  names.checkInvariants();
  tree.nodes.checkInvariants();
  tree.checkInvariants();
  trims.checkInvariants();
  if (use.checkInvariants() !== store.count) throw new Error("the order of use has lost rooms");
  let slotBytes = store.detachedBytes;
  let named = 0;
  let deadlines = 0;
  store.scan(undefined, undefined, (room) => {
    named++;
    room.ring.checkInvariants();
    slotBytes += room.ring.slotBytes + (room.dedup?.slotBytes ?? 0);
    if (room.eventCount > room.config.maxEvents || room.bytes > room.config.maxBytes)
      throw new Error(`${room.name} is over its limits`);
    if (room.trimHandle >= 0) deadlines++;
    checkTrim(room, trims);
    return true;
  });
  if (named !== store.count) throw new Error(`${named} names for ${store.count} rooms`);
  if (deadlines !== trims.count) throw new Error(`${trims.count} deadlines for ${deadlines} rooms`);
  const usedBytes = blocks.usedBytes + tables.usedBytes;
  if (slotBytes !== usedBytes) throw new Error(`${slotBytes} bytes of slots, ${usedBytes} counted`);
}

function checkTrim(room: Room, trims: DeadlineHeap): void {
  if (room.config.retentionMs === 0 || room.eventCount === 0) return;
  const dueMs = room.ring.timestampMsAt(room.oldestOffset) + room.config.retentionMs;
  if (room.trimHandle < 0 || trims.deadlineMsOf(room.trimHandle) > dueMs)
    throw new Error(`${room.name} would be trimmed too late`);
}
