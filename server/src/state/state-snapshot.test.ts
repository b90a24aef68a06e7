import { describe, expect, it } from "vitest";
import { PLAIN } from "../../test/queue-fixture.ts";
import { quietCopy, SnapshotCopy } from "../../test/snapshot-copy.ts";
import { checkState, smallState } from "../../test/state-workload.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { ImageWriter, KEY_IMAGE, MESSAGE_IMAGE, REPLY_IMAGE } from "./image.ts";
import { OperationWriter } from "./operation.ts";
import { QueueImages } from "./queue-images.ts";
import {
  writeBury,
  writeForget,
  writePublish,
  writeQueueCreate,
  writeQueueDelete,
  writeQueuePurge,
  writeRetryAll,
} from "./queue-operation.ts";
import { DEATH_NACKED, ENDED_NONE } from "./queue-record.ts";
import { REPLY_JSON, writeForgetReplies, writeRemember } from "./reply-operation.ts";
import { writeRoomCreate, writeRoomDelete, writeRoomPublish } from "./room-operation.ts";
import type { StateMachine } from "./state-machine.ts";
import { StateRestorer } from "./state-restorer.ts";
import { StateSnapshot } from "./state-snapshot.ts";
import { TAG_BYTES, TAG_TEXT, Value } from "./value.ts";

const NOTHING = rangeOf("");
const ROOM = { maxEvents: 1000, maxBytes: 2 ** 30, retentionMs: 0, dedupIdsMax: 10 };
const NOW_MS = 1_700_000_000_000;

const writer = new OperationWriter();

/** Applies what `stage` writes, as one record, and returns the offset of its first operation. */
function apply(state: StateMachine, stage: (writer: OperationWriter) => void): number {
  writer.reset();
  stage(writer);
  const firstOffset = state.appliedOffset + 1;
  state.apply(writer.bytes, writer.length, firstOffset);
  return firstOffset;
}

function text(content: string): Value {
  const { bytes, end } = rangeOf(content);
  return new Value(TAG_TEXT, bytes, 0, end);
}

function put(state: StateMachine, key: string, bytes = 10): void {
  apply(state, (writer) => writer.put(rangeOf(key), TAG_BYTES, text("v".repeat(bytes)), 0));
}

function createQueue(state: StateMachine, name: string): number {
  return apply(state, (writer) => writeQueueCreate(writer, rangeOf(name), PLAIN));
}

function publish(state: StateMachine, queueId: number, dedupId = ""): number {
  return apply(state, (writer) =>
    writePublish(writer, {
      queueId,
      payload: text("p"),
      headers: NOTHING,
      priority: 5,
      maxRetries: 3,
      publishedAtMs: NOW_MS,
      readyAtMs: 0,
      expiresAtMs: 0,
      dedupId: rangeOf(dedupId),
      dedupUntilMs: dedupId === "" ? 0 : NOW_MS + 1000,
    }),
  );
}

function createRoom(state: StateMachine, name: string, atMs = NOW_MS): number {
  return apply(state, (writer) => writeRoomCreate(writer, rangeOf(name), ROOM, atMs));
}

function publishEvent(state: StateMachine, roomId: number, data: string, atMs = NOW_MS): void {
  const offset = state.rooms.roomOf(roomId)?.nextOffset ?? 0;
  const event = { event: rangeOf("e"), data: text(data), metadata: NOTHING, dedupId: NOTHING };
  apply(state, (writer) => writeRoomPublish(writer, roomId, event, offset, atMs));
}

function remember(state: StateMachine, id: string, dropCount = 0): void {
  const reply = { id: rangeOf(id), hash: rangeOf("0123456789abcdef"), reply: rangeOf(`of ${id}`) };
  apply(state, (writer) =>
    writeRemember(writer, { ...reply, format: REPLY_JSON, expiresAtMs: NOW_MS + 1000 }, dropCount),
  );
}

/** A state with some of everything. */
function filledState(): StateMachine {
  const state = smallState();
  for (let i = 0; i < 50; i++) put(state, `key ${i}`, i * 10);
  for (const name of ["a", "b", "c"]) {
    const queueId = createQueue(state, name);
    for (let i = 0; i < 20; i++) publish(state, queueId, i % 2 === 0 ? `id ${i}` : "");
    const roomId = createRoom(state, name);
    for (let i = 0; i < 20; i++) publishEvent(state, roomId, `data ${i}`);
  }
  for (let i = 0; i < 20; i++) remember(state, `request ${i % 15}`);
  return state;
}

function restored(copy: SnapshotCopy): StateMachine {
  const state = smallState();
  copy.restoreTo(state);
  checkState(state);
  return state;
}

/** Completes a snapshot and expects it to have this. */
function expectRestores(copy: SnapshotCopy, dump: string): void {
  copy.take();
  while (!copy.step(100));
  copy.snapshot.end();
  expect(restored(copy).dump()).toBe(dump);
}

describe("a snapshot", () => {
  it("is the only one of its state until it ends", () => {
    const state = filledState();
    const first = new StateSnapshot(state);
    expect(() => new StateSnapshot(state)).toThrow("another snapshot is under way");
    expect(first.step(10)).toBe(false);
    first.end();
    first.end();
    expect(() => first.step(10)).toThrow("the snapshot has ended");
    const second = quietCopy(state);
    expect(restored(second).dump()).toBe(state.dump());
    // What has ended does not see the next one's end.
    const third = new StateSnapshot(state);
    first.end();
    expect(() => new StateSnapshot(state)).toThrow("another snapshot is under way");
    third.end();
  });

  it("writes nothing before it is asked to, and nothing after it has ended", () => {
    const state = filledState();
    const { images, ...snapshot } = { images: new StateSnapshot(state).images };
    expect([images.length, snapshot]).toEqual([0, {}]);
    put(state, "key new");
    expect(images.length).toBe(0);
    put(state, "key 1");
    expect(images.length).toBeGreaterThan(0);
  });

  it("keeps to its budget, but for the last image", () => {
    const state = filledState();
    const snapshot = new StateSnapshot(state);
    for (let isComplete = false; !isComplete; ) {
      isComplete = snapshot.step(300);
      expect(snapshot.images.length).toBeLessThan(300 + 600);
      snapshot.images.reset();
    }
    snapshot.end();
  });

  it("gives equal bytes for equal states, whatever the steps", () => {
    const first = quietCopy(filledState(), 1).bytes;
    expect(quietCopy(filledState(), 1_000_000).bytes.equals(first)).toBe(true);
  });

  it("bounds what it passes by: newer keys count as well", () => {
    const state = smallState();
    put(state, "a");
    const snapshot = new StateSnapshot(state);
    for (let i = 0; i < 1000; i++) put(state, `b${i}`);
    let steps = 1;
    while (!snapshot.step(640)) steps++;
    expect(steps).toBeGreaterThan(90);
    snapshot.end();
  });
});

describe("keys of a snapshot", () => {
  it("are kept by the first flush, and only by that", () => {
    const state = filledState();
    const { keys } = state;
    const dump = state.dump();
    const copy = new SnapshotCopy(state);
    copy.step(500);
    apply(state, (writer) => writer.flush());
    const keptBytes = keys.heldBytes;
    expect([keptBytes > 0, keys.freeDetached(1), keys.heldBytes]).toEqual([true, false, keptBytes]);
    put(state, "key 1");
    apply(state, (writer) => writer.flush());
    expect(keys.heldBytes).toBeGreaterThan(keptBytes);
    while (keys.freeDetached(1));
    expect(keys.heldBytes).toBe(keptBytes);
    put(state, "key 2");
    expectRestores(copy, dump);
    expect([keys.freeDetached(1), keys.freeDetached(1)]).toEqual([true, false]);
    expect(keys.heldBytes).toBeLessThan(keptBytes);
    checkState(state);
  });

  it("count against the limit while they are kept, and never hold up a change", () => {
    const limit = 4_000_000;
    const state = smallState({ memoryBytesMax: limit });
    for (let i = 0; i < 2000; i++) put(state, `key ${i}`, 1000);
    const copy = new SnapshotCopy(state);
    const dump = state.dump();
    apply(state, (writer) => writer.flush());
    const { keys } = state;
    keys.memory.measure();
    const usable = keys.memory.usableBytes;
    expect(usable).toBeLessThan(limit - 2_000_000);
    expect(usable).toBeGreaterThan(0);
    // More than plan would let through.
    for (let i = 0; i < 2000; i++) put(state, `key ${i}`, 1000);
    keys.checkInvariants();
    expectRestores(copy, dump);
    while (keys.freeDetached(1));
    keys.memory.measure();
    expect(keys.memory.usableBytes).toBeGreaterThan(limit - 500_000);
  });

  it("are found wherever their records were moved between two steps", () => {
    const state = smallState({ memoryBytesMax: 2_000_000 });
    const { keys } = state;
    for (let i = 0; i < 8000; i++) put(state, `key ${i}`, 100);
    const refOf = (i: number): number => keys.find(rangeOf(`key ${i}`));
    const before = Array.from({ length: 8000 }, (_, i) => refOf(i));
    const dump = state.dump();
    const copy = new SnapshotCopy(state);
    copy.step(100_000);
    // Sparse spans are left, and emptied for values of another size, which overwrite what the walk was at.
    for (let i = 0; i < 8000; i++) {
      if (i % 5 !== 0) apply(state, (writer) => writer.remove(rangeOf(`key ${i}`)));
    }
    for (let i = 0; i < 1700; i++) put(state, `large ${i}`, 900);
    const movedCount = before.filter((ref, i) => i % 5 === 0 && refOf(i) !== ref).length;
    expect(movedCount).toBeGreaterThan(1000);
    expectRestores(copy, dump);
    checkState(state);
  });

  it("are let go by a snapshot that ends early", () => {
    const state = filledState();
    const snapshot = new StateSnapshot(state);
    apply(state, (writer) => writer.flush());
    snapshot.end();
    while (state.keys.freeDetached(1));
    expect(state.keys.heldBytes).toBe(0);
  });
});

describe("queues of a snapshot", () => {
  it("have what was purged after it began, and not what was purged before", () => {
    for (const freed of [0, 7, 1000]) {
      const state = filledState();
      const queueId = createQueue(state, "purged");
      for (let i = 0; i < 10; i++) publish(state, queueId);
      apply(state, (writer) => writeQueuePurge(writer, queueId, 15));
      for (let i = 0; i < 10; i++) publish(state, queueId);
      const dump = state.dump();
      const copy = new SnapshotCopy(state);
      for (let i = 0; i < 10; i++) publish(state, queueId);
      apply(state, (writer) => writeQueuePurge(writer, queueId, 15));
      state.queues.freeDetached(freed);
      expectRestores(copy, dump);
    }
  });

  it("have the dedup ids of a queue that was deleted, wherever the walk was", () => {
    for (let budget = 100; budget < 6000; budget += 500) {
      const state = filledState();
      const dump = state.dump();
      const copy = new SnapshotCopy(state);
      copy.step(15_000 + budget);
      for (const queue of [...state.queues.queues()]) apply(state, (writer) => writeQueueDelete(writer, queue.id));
      state.queues.freeDetached(budget / 50);
      createQueue(state, "a");
      expectRestores(copy, dump);
      while (state.queues.freeDetached(100));
      checkState(state);
    }
  });

  it("have each dedup id once, wherever the walk was when the oldest were forgotten", () => {
    for (let forgotten = 1; forgotten <= 20; forgotten++) {
      const state = smallState();
      const queueId = createQueue(state, "q");
      for (let i = 0; i < 20; i++) publish(state, queueId, `id ${i}`);
      const dump = state.dump();
      const copy = new SnapshotCopy(state);
      // The queue's image, and ten or so ids.
      for (let i = 0; i < 10; i++) copy.step(i === 0 ? 200 : 20);
      apply(state, (writer) => writeForget(writer, queueId, forgotten));
      expectRestores(copy, dump);
    }
  });

  it("are walked up to what is newer, and no further", () => {
    const state = filledState();
    const snapshot = new StateSnapshot(state);
    const queue = state.queues.queues()[0];
    for (let i = 0; i < 5000; i++) publish(state, queue.id);
    // Passing the newer messages by would use up a step of its own for each.
    let steps = 1;
    while (!snapshot.step(64)) steps++;
    expect(steps).toBeLessThan(1000);
    snapshot.end();
  });

  it("come back with a retry of all under way", () => {
    const state = smallState();
    const queueId = createQueue(state, "q");
    const messageId = publish(state, queueId);
    apply(state, (writer) => writeBury(writer, messageId, DEATH_NACKED, ENDED_NONE, NOW_MS));
    apply(state, (writer) => writeRetryAll(writer, queueId));
    const { queues } = restored(quietCopy(state));
    expect(queues.nextDeadlineMs).toBe(0);
    expect([...queues.retrying].map(({ id }) => id)).toEqual([queueId]);
  });

  it("tell consumers what is ready, and remember dedup ids until their time", () => {
    const state = smallState();
    const queueId = createQueue(state, "q");
    const messageId = publish(state, queueId, "id");
    const { queues } = restored(quietCopy(state));
    const gained: number[] = [];
    queues.drainGained(({ id }) => gained.push(id));
    expect(gained).toEqual([queueId]);
    const queue = queues.queues()[0];
    expect(queues.findDuplicate(queue, rangeOf("id"), NOW_MS)).toBe(messageId);
    expect(queues.nextDeadlineMs).toBe(NOW_MS + 1000);
  });

  it("are exact after more snapshots that ended early than there are marks", () => {
    const state = smallState();
    const queueId = createQueue(state, "q");
    for (let i = 0; i < 3; i++) publish(state, queueId);
    const images = new ImageWriter();
    for (let i = 0; i < 65_535; i++) {
      const part = new QueueImages(state.queues, state.appliedOffset, images);
      // The first marks all messages; those after it come no further than the queue. Then its number is used again.
      images.budgetBytes = i === 0 ? 300 : 1;
      part.step();
      part.end();
      images.reset();
    }
    expect(restored(quietCopy(state)).dump()).toBe(state.dump());
  });
});

describe("rooms of a snapshot", () => {
  it("have the events of a room that was removed, which are kept until they are written", () => {
    const state = filledState();
    // Sparse spans, which could be emptied.
    const others = Array.from({ length: 1000 }, (_, i) => createRoom(state, `other ${i}`));
    for (const id of others) publishEvent(state, id, "x".repeat(150));
    for (const [i, id] of others.entries()) if (i % 10 !== 0) apply(state, (writer) => writeRoomDelete(writer, id));
    while (state.rooms.freeDetached(100));
    const dump = state.dump();
    const copy = new SnapshotCopy(state);
    const room = state.rooms.find(rangeOf("b"));
    if (room === undefined) throw new Error("the room is missing");
    apply(state, (writer) => writeRoomDelete(writer, room.id));
    expect([room.deleted, room.eventCount, room.bytes]).toEqual([true, 0, 0]);
    expect(state.rooms.detachedBytes).toBeGreaterThan(0);
    expect(state.rooms.freeDetached(100)).toBe(false);
    // Its blocks must stay where they are: nothing says any more whose they are.
    expect(state.rooms.evacuate()).toBe(false);
    checkState(state);
    expectRestores(copy, dump);
    while (state.rooms.freeDetached(1));
    expect(state.rooms.detachedBytes).toBe(0);
    expect(state.rooms.evacuate()).toBe(true);
    checkState(state);
  });

  it("lets go of them when it ends early", () => {
    const state = filledState();
    const snapshot = new StateSnapshot(state);
    for (const { id } of [...state.rooms.roomsById()]) apply(state, (writer) => writeRoomDelete(writer, id));
    snapshot.end();
    while (state.rooms.freeDetached(1));
    expect([state.rooms.detachedBytes, state.rooms.usedBytes]).toEqual([0, 0]);
  });

  it("come back in the order of their use", () => {
    const state = smallState();
    const first = createRoom(state, "first", NOW_MS);
    createRoom(state, "second", NOW_MS + 5);
    publishEvent(state, first, "used", NOW_MS + 100);
    const { rooms } = restored(quietCopy(state));
    expect(rooms.idleRoom(NOW_MS + 1000, 10)?.name).toBe("second");
    expect(rooms.roomOf(first)?.usedAtMs).toBe(NOW_MS + 100);
  });
});

describe("remembered replies of a snapshot", () => {
  it("have those that were forgotten after it began, wherever the walk was, and none that came later", () => {
    for (let budget = 1; budget < 20_000; budget += 900) {
      const state = filledState();
      const dump = state.dump();
      const copy = new SnapshotCopy(state);
      copy.step(budget);
      remember(state, "later", 7);
      apply(state, (writer) => writeForgetReplies(writer, 14));
      expect(state.replies.count).toBe(0);
      remember(state, "request 3");
      expectRestores(copy, dump);
      checkState(state);
    }
  });

  it("come in the order in which they were remembered, also where some were forgotten meanwhile", () => {
    const state = smallState();
    for (let i = 0; i < 20; i++) remember(state, `request ${i}`);
    const quiet = quietCopy(state).bytes;
    const copy = new SnapshotCopy(state);
    copy.step(200);
    apply(state, (writer) => writeForgetReplies(writer, 12));
    copy.take();
    while (!copy.step(100));
    copy.snapshot.end();
    expect(copy.bytes.equals(quiet)).toBe(true);
  });
});

describe("restoring", () => {
  it("wants an empty state", () => {
    expect(() => new StateRestorer(filledState())).toThrow("not empty");
    expect(() => new StateRestorer(smallState({ offsetBefore: 5 }))).toThrow("at offset 5");
  });

  it("goes on with the operation after the snapshot", () => {
    const copy = quietCopy(filledState());
    const state = restored(copy);
    expect(state.appliedOffset).toBe(copy.snapshot.offset);
    put(state, "next");
    expect(state.keys.versionOf(state.keys.find(rangeOf("next")))).toBe(copy.snapshot.offset + 1);
  });

  it("refuses an image that is not whole, wherever it was cut", () => {
    const { bytes } = quietCopy(filledState());
    const restorer = new StateRestorer(smallState());
    let count = 0;
    for (let at = 0; at < bytes.length; count++) {
      // Every shorter part of it is refused.
      let length = 1;
      while (!accepts(restorer, bytes.subarray(at, at + length))) length++;
      at += length;
    }
    expect(count).toBe(50 + 3 * (1 + 10 + 20) + 3 * (1 + 20) + 20);
  });

  function accepts(restorer: StateRestorer, image: Uint8Array): boolean {
    try {
      restorer.apply(image, image.length);
      return true;
    } catch (error) {
      if (error instanceof Error && error.message.includes("bytes past its chunk")) return false;
      throw error;
    }
  }

  it("refuses a kind that no store has", () => {
    for (const kind of [0, 1, 127, 129, 255]) {
      const restorer = new StateRestorer(smallState());
      expect(() => restorer.apply(Uint8Array.of(kind), 1)).toThrow(`unknown kind of image ${kind}`);
    }
  });

  it("refuses what is there twice, and what belongs to nothing", () => {
    const { bytes } = quietCopy(filledState());
    const kinds = imagesByKind(bytes);
    expect([...kinds.keys()]).toEqual([KEY_IMAGE, 144, 145, MESSAGE_IMAGE, 160, 161, REPLY_IMAGE]);
    for (const [kind, image] of kinds) {
      const twice = new StateRestorer(smallState());
      twice.apply(bytes, bytes.length);
      expect(() => twice.apply(image, image.length), `kind ${kind}`).toThrow(/twice|comes after/);
      const alone = new StateRestorer(smallState());
      if ([KEY_IMAGE, 144, 160, REPLY_IMAGE].includes(kind)) alone.apply(image, image.length);
      else expect(() => alone.apply(image, image.length), `kind ${kind}`).toThrow(/there is no (queue|room)/);
    }
  });

  /** The first image of each kind. */
  function imagesByKind(bytes: Uint8Array): Map<number, Uint8Array> {
    const found = new Map<number, Uint8Array>();
    const restorer = new StateRestorer(smallState());
    for (let at = 0; at < bytes.length; ) {
      let length = 1;
      while (!accepts(restorer, bytes.subarray(at, at + length))) length++;
      if (!found.has(bytes[at])) found.set(bytes[at], bytes.slice(at, at + length));
      at += length;
    }
    return found;
  }

  it("refuses values that none can have", () => {
    const { bytes } = quietCopy(filledState());
    const images = imagesByKind(bytes);
    const broken = (kind: number, at: number, value: number): Uint8Array => {
      const image = Uint8Array.from(images.get(kind) ?? NOTHING.bytes);
      image[at] = value;
      return image;
    };
    const withQueue = (image: Uint8Array): Uint8Array => Buffer.concat([images.get(144) ?? NOTHING.bytes, image]);
    for (const [image, problem] of [
      [broken(KEY_IMAGE, 1, 4), "no value has the tag 4"],
      [withQueue(broken(MESSAGE_IMAGE, 13, 4)), "which none can be"],
      [withQueue(broken(MESSAGE_IMAGE, 14, 4)), "which none can be"],
      [withQueue(broken(MESSAGE_IMAGE, 15, 10)), "which none can be"],
      [withQueue(broken(MESSAGE_IMAGE, 16, 4)), "which none can be"],
      [Buffer.concat([images.get(160) ?? NOTHING.bytes, broken(161, 1, 4)]), "cannot be in it"],
      [Buffer.concat([images.get(160) ?? NOTHING.bytes, broken(161, 20, 1)]), "comes after"],
      [broken(REPLY_IMAGE, 1, 6), "no reply has format 6"],
    ] as const) {
      const restorer = new StateRestorer(smallState());
      expect(() => restorer.apply(image, image.length)).toThrow(problem);
    }
  });

  it("refuses to finish where something is newer than the snapshot, or events are missing", () => {
    const { bytes, snapshot } = quietCopy(filledState());
    const images = imagesByKind(bytes);
    for (const kind of [KEY_IMAGE, 144, 160, REPLY_IMAGE]) {
      const image = images.get(kind) ?? new Uint8Array(0);
      const restorer = new StateRestorer(smallState());
      restorer.apply(image, image.length);
      if (kind === 160) expect(() => restorer.finish(snapshot.offset)).toThrow("ends at event 0");
      expect(() => restorer.finish(0)).toThrow("in a snapshot at 0");
    }
  });
});

it("restores bytes out of the middle of a larger buffer, and keeps none of it", () => {
  const state = filledState();
  const { bytes, snapshot } = quietCopy(state);
  const buffer = new Uint8Array(bytes.length + 100).fill(0xff);
  buffer.set(bytes, 37);
  const range = new ByteRange(buffer, 37, 37 + bytes.length);
  const other = smallState();
  const restorer = new StateRestorer(other);
  restorer.apply(buffer.subarray(range.start, range.end), range.length);
  buffer.fill(0);
  restorer.finish(snapshot.offset);
  expect(other.dump()).toBe(state.dump());
});
