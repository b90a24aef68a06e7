import { expect, it } from "vitest";
import { rangeOf } from "../structures/byte-range.ts";
import { OperationWriter } from "./operation.ts";
import type { Room } from "./room.ts";
import { writeRoomCreate, writeRoomDelete } from "./room-operation.ts";
import { RoomStore } from "./room-store.ts";

it("keeps what has changed in the other rooms when a visit of one fails", () => {
  const store = new RoomStore();
  const writer = new OperationWriter();
  for (const name of ["a", "b", "c"]) {
    store.watch(rangeOf(name));
    writeRoomCreate(writer, rangeOf(name), { maxEvents: 1, maxBytes: 1, retentionMs: 0, dedupIdsMax: 0 }, 0);
  }
  for (let at = 0, offset = 1; at < writer.length; ) {
    at = store.apply(writer.bytes, at, writer.length, offset++);
  }
  const remove = (name: string) => {
    const removal = new OperationWriter();
    writeRoomDelete(removal, store.find(rangeOf(name))?.id ?? 0);
    store.apply(removal.bytes, 0, removal.length, 10);
  };
  const seen: string[] = [];
  const visit = ({ name, deleted }: Room) => {
    seen.push(deleted ? `${name} deleted` : name);
    if (name !== "a") return;
    // What changes meanwhile comes after what had changed before.
    remove("a");
    throw new Error("a bug");
  };
  expect(() => store.drainChanges(visit)).toThrow("a bug");
  expect(seen.splice(0)).toEqual(["a"]);
  store.drainChanges(({ name, deleted }) => seen.push(deleted ? `${name} deleted` : name));
  expect(seen.splice(0)).toEqual(["b", "c", "a deleted"]);
  remove("b");
  store.drainChanges(visit);
  expect(seen).toEqual(["b deleted"]);
});
