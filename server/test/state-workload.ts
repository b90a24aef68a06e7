/**
 * Random operations of every kind on a whole state, drawn from what it holds, so that all of them are valid; and random
 * housekeeping between them. Few keys, queues and rooms, so that the same ones change again and again. What was applied is
 * kept, for other states to follow.
 */
import { expect } from "vitest";
import { KeyStore, NONE } from "../src/state/key-store.ts";
import { OperationWriter } from "../src/state/operation.ts";
import type { Queue } from "../src/state/queue.ts";
import {
  writeAck,
  writeBury,
  writeDeliver,
  writeDrop,
  writeExtend,
  writeForget,
  writePublish,
  writeQueueCreate,
  writeQueueDelete,
  writeQueuePurge,
  writeReady,
  writeRequeue,
  writeRetry,
  writeRetryAll,
  writeRetrySome,
} from "../src/state/queue-operation.ts";
import {
  DEATH_EXPIRED,
  DEATH_NACKED,
  ENDED_NACKED,
  ENDED_NONE,
  ENDED_RELEASED,
  ENDED_TIMED_OUT,
  type MessageState,
  STATE_DEAD,
  STATE_DELAYED,
  STATE_PENDING,
  STATE_READY,
} from "../src/state/queue-record.ts";
import { QueueStore } from "../src/state/queue-store.ts";
import {
  PAYLOAD_HASH_BYTES,
  REPLY_JSON,
  REPLY_MSGPACK,
  writeForgetReplies,
  writeRemember,
} from "../src/state/reply-operation.ts";
import { ReplyStore } from "../src/state/reply-store.ts";
import type { Room } from "../src/state/room.ts";
import { eventRecordBytes } from "../src/state/room-block.ts";
import {
  writeRoomCreate,
  writeRoomDelete,
  writeRoomExpire,
  writeRoomPublish,
  writeRoomTrim,
} from "../src/state/room-operation.ts";
import { RoomStore } from "../src/state/room-store.ts";
import { StateMachine } from "../src/state/state-machine.ts";
import { TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value, type ValueTag } from "../src/state/value.ts";
import { ByteRange, rangeOf } from "../src/structures/byte-range.ts";
import { seededRandom } from "./engine.ts";
import { type LoggedRecord, PLAIN } from "./queue-fixture.ts";

const TAGS: readonly ValueTag[] = [TAG_TEXT, TAG_BYTES, TAG_INTEGER, TAG_JSON];
const ENDS = [ENDED_NACKED, ENDED_TIMED_OUT, ENDED_RELEASED] as const;

export interface WorkloadOptions {
  /** Of the keys; 0 for none. */
  readonly memoryBytesMax?: number;
  /** The offset before the first operation. */
  readonly offsetBefore?: number;
  /** How often, in a thousand steps, all keys go. */
  readonly flushesPerMille?: number;
}

/** An empty state with small pages, so that housekeeping has something to do. */
export function smallState({ memoryBytesMax = 0, offsetBefore = 0 }: WorkloadOptions = {}): StateMachine {
  const keys = new KeyStore({ memoryBytesMax, evictionPolicy: "none" });
  const queues = new QueueStore({ hashSeed: 7, pageBytes: 4096 });
  return new StateMachine(
    keys,
    queues,
    new RoomStore(),
    new ReplyStore({ hashSeed: 7, pageBytes: 4096 }),
    offsetBefore,
  );
}

/** Applies the records whose offsets are above `after`, up to `through`. */
export function follow(
  state: StateMachine,
  records: readonly LoggedRecord[],
  through = Number.POSITIVE_INFINITY,
): void {
  for (const { bytes, firstOffset } of records) {
    if (firstOffset > state.appliedOffset && firstOffset <= through) state.apply(bytes, bytes.length, firstOffset);
  }
}

export function checkState({ keys, queues, rooms, replies }: StateMachine): void {
  keys.checkInvariants();
  queues.checkInvariants();
  rooms.checkInvariants();
  replies.checkInvariants();
  const idsOf = (queuesFound: Iterable<Queue>): number[] => Array.from(queuesFound, ({ id }) => id);
  const retrying = queues.queues().filter(({ retryThrough }) => retryThrough !== 0);
  expect(idsOf(queues.retrying).sort()).toEqual(idsOf(retrying).sort());
  const ids = [idsOf(queues.queuesById()), Array.from(rooms.roomsById(), ({ id }) => id)];
  expect(ids).toEqual(ids.map((each) => [...each].sort((a, b) => a - b)));
}

export class StateWorkload {
  readonly state: StateMachine;
  readonly records: LoggedRecord[] = [];
  readonly #writer = new OperationWriter();
  readonly #random: () => number;
  readonly #flushesPerMille: number;
  #nowMs = 1_700_000_000_000;
  #valueBytesMax = 300;

  constructor(seed: number, options: WorkloadOptions = {}) {
    this.#random = seededRandom(seed);
    this.#flushesPerMille = options.flushesPerMille ?? 5;
    this.state = smallState(options);
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** One to a few records, or a bit of housekeeping. */
  step(): void {
    this.#nowMs += this.below(10);
    const draw = this.below(100);
    if (draw < 45) this.#changeKeys();
    else if (draw < 75) this.#changeQueues();
    else if (draw < 85) this.#changeRooms();
    else if (draw < 90) this.#forgetReplies();
    else this.#tidyUp();
    // As a write with a request id does: its reply is the last thing in its record.
    if (this.#writer.length > 0 && this.below(4) === 0) this.#rememberReply();
    this.#commit();
  }

  #commit(): void {
    const writer = this.#writer;
    if (writer.length === 0) return;
    const record = { bytes: writer.bytes.slice(0, writer.length), firstOffset: this.state.appliedOffset + 1 };
    writer.reset();
    this.records.push(record);
    this.state.apply(record.bytes, record.bytes.length, record.firstOffset);
  }

  #tidyUp(): void {
    const { keys, queues, rooms, replies } = this.state;
    const draw = this.below(7);
    if (draw === 0) keys.freeDetached(1);
    else if (draw === 1) queues.freeDetached(1 + this.below(10));
    else if (draw === 2) rooms.freeDetached(1 + this.below(3));
    else if (draw === 3) rooms.evacuate();
    else if (draw === 4) replies.evacuate();
    else this.#move();
  }

  /** Moves what `evacuate` might; so little is in the stores that it would find nothing to gain. */
  #move(): void {
    const { queues, rooms } = this.state;
    const queue = queues.find(rangeOf(`queue ${this.below(5)}`));
    if (queue !== undefined) {
      for (let i = 0; i < 4; i++) {
        const id = this.#message(queue, this.pick([STATE_READY, STATE_DELAYED, STATE_PENDING, STATE_DEAD]));
        if (id !== 0) queues.messages.move(queues.findMessage(id));
      }
      const { duplicates } = queues;
      for (let i = this.below(4), ref = queue.dedupFirst; ref !== 0; i++) {
        const next = duplicates.next(ref);
        if (i % 4 === 0) duplicates.move(ref, queue);
        ref = next;
      }
    }
    const ring = rooms.find(rangeOf(`room ${this.below(5)}`))?.ring;
    if (ring !== undefined && ring.blockCount > 0) ring.relocate(ring.blockAt(this.below(ring.blockCount)));
  }

  // Keys

  #changeKeys(): void {
    if (this.below(1000) < this.#flushesPerMille * 2) {
      this.#writer.flush();
      return;
    }
    // One record of several keys, each once: what is staged for a key does not know of what is staged before it.
    const used = new Set<string>();
    for (let count = 1 + this.below(3); count > 0; count--) {
      const name = `${"k".repeat(this.below(4))}${this.below(40)}`;
      if (!used.has(name)) this.#changeKey(rangeOf(name));
      used.add(name);
    }
  }

  #changeKey(key: ByteRange): void {
    const { keys } = this.state;
    const writer = this.#writer;
    const ref = keys.find(key);
    const draw = ref === NONE ? 0 : this.below(10);
    const deadlineMs = this.below(3) === 0 ? this.#nowMs + this.below(100_000) : 0;
    if (draw < 5) {
      // Sizes drift, so that little memory is soon in the wrong places and records are moved.
      if (this.below(100) === 0) this.#valueBytesMax = this.pick([30, 300, 3000, 30_000]);
      const value = this.#value(this.below(this.#valueBytesMax));
      this.#makeRoom(key, value.length);
      writer.put(key, value.tag, value, deadlineMs);
    } else if (draw === 5) writer.remove(key);
    else if (draw === 6) writer.expire(key);
    else if (draw === 7) writer.evict(key);
    else if (draw === 8) writer.deadline(key, deadlineMs);
    else writer.splice(key, TAG_TEXT, this.below(400), this.#value(this.below(200)), keys.versionOf(ref));
  }

  /** Evicts, in records of their own, as long as there is no room; then this record begins anew. */
  #makeRoom(key: ByteRange, valueBytes: number): void {
    const { keys } = this.state;
    keys.memory.measure();
    // This record's others are at most two.
    const needed = (keys.slotBytesNeeded(key.length, valueBytes, true) + 100) * 3;
    if (keys.usedBytes + needed <= keys.memory.usableBytes) return;
    this.#commit();
    const victim = new ByteRange(key.bytes, 0, 0);
    for (let i = 0; i < 100 && keys.size > 0 && keys.usedBytes + needed > keys.memory.usableBytes; i++) {
      keys.scan(i % 2 === 0 ? key : undefined, undefined, (ref) => {
        keys.readKey(ref, victim);
        this.#writer.evict(victim);
        return false;
      });
      this.#commit();
    }
  }

  #value(bytes: number): Value {
    const { bytes: text, end } = rangeOf(String(this.below(1000)).repeat(bytes).slice(0, bytes));
    return new Value(this.pick(TAGS), text, 0, end);
  }

  // Queues

  #changeQueues(): void {
    const { queues } = this.state;
    const name = `queue ${this.below(5)}`;
    const queue = queues.find(rangeOf(name));
    const draw = this.below(100);
    if (queue === undefined) {
      const deadLetter = { enabled: true, maxDepth: this.pick([0, 0, 4]) };
      writeQueueCreate(this.#writer, rangeOf(name), { ...PLAIN, deadLetter });
    } else if (draw < 40) {
      for (let count = 1 + this.below(3); count > 0; count--) this.#publishMessage(queue);
    } else if (draw < 85) this.#changeMessage(queue);
    else if (draw < 93) this.#changeQueue(queue);
    else if (draw < 98) writeQueuePurge(this.#writer, queue.id, 1 + this.below(15));
    else writeQueueDelete(this.#writer, queue.id);
  }

  #publishMessage(queue: Queue): void {
    const dedupId = rangeOf(this.below(2) === 0 ? `id ${this.below(1000)}` : "");
    writePublish(this.#writer, {
      queueId: queue.id,
      payload: this.#value(this.below(150)),
      headers: rangeOf(this.below(4) === 0 ? `{"h":${this.below(100)}}` : ""),
      priority: this.below(10),
      maxRetries: this.below(5),
      publishedAtMs: this.#nowMs,
      readyAtMs: this.below(4) === 0 ? this.#nowMs + this.below(1000) : 0,
      expiresAtMs: this.below(4) === 0 ? this.#nowMs + this.below(1000) : 0,
      dedupId,
      dedupUntilMs: dedupId.length === 0 ? 0 : this.#nowMs + queue.config.dedupWindowMs,
    });
  }

  /** A message of the queue in one of these states; 0 for none. */
  #message(queue: Queue, state: MessageState): number {
    const { messages } = this.state.queues;
    const lane = this.pick(queue.lanes.filter((each) => each?.state === state && each.count > 0));
    if (lane === undefined) return 0;
    let ref = lane.first;
    for (let i = this.below(Math.min(lane.count, 8)); i > 0; i--) ref = messages.order.next(ref);
    return messages.idOf(ref);
  }

  #changeMessage(queue: Queue): void {
    const nowMs = this.#nowMs;
    const writer = this.#writer;
    const state = this.pick<MessageState>([
      STATE_READY,
      STATE_READY,
      STATE_DELAYED,
      STATE_PENDING,
      STATE_PENDING,
      STATE_DEAD,
    ]);
    const id = this.#message(queue, state);
    if (id === 0) return;
    const draw = this.below(10);
    if (state === STATE_DEAD) writeRetry(writer, id, nowMs);
    else if (draw === 0) writeBury(writer, id, DEATH_EXPIRED, ENDED_NONE, nowMs);
    else if (draw === 1) writeDrop(writer, id, DEATH_EXPIRED, ENDED_NONE);
    else if (state === STATE_READY) writeDeliver(writer, id, nowMs + this.below(1000), nowMs);
    else if (state === STATE_DELAYED) writeReady(writer, id);
    else if (draw < 5) writeAck(writer, id);
    else if (draw < 7) writeBury(writer, id, DEATH_NACKED, ENDED_NACKED, nowMs);
    else if (draw < 8) writeExtend(writer, id, nowMs + this.below(2000));
    else writeRequeue(writer, id, this.pick(ENDS), this.below(4), this.below(2) * (nowMs + this.below(500)), nowMs);
  }

  #changeQueue(queue: Queue): void {
    const draw = this.below(3);
    if (draw === 0 && queue.dedupCount > 0) writeForget(this.#writer, queue.id, 1 + this.below(queue.dedupCount));
    else if (draw === 1) writeRetryAll(this.#writer, queue.id);
    else if (queue.retryThrough !== 0) writeRetrySome(this.#writer, queue.id, 1 + this.below(3), this.#nowMs);
  }

  // Replies

  #rememberReply(): void {
    const { count } = this.state.replies;
    const { bytes } = rangeOf(String(this.below(10)).repeat(PAYLOAD_HASH_BYTES));
    writeRemember(
      this.#writer,
      {
        // Some ids come again while the reply before is still there, as after its time is over.
        id: rangeOf(`request ${this.below(60)}`),
        hash: new ByteRange(bytes, 0, PAYLOAD_HASH_BYTES),
        format: this.pick([REPLY_JSON, REPLY_MSGPACK]),
        reply: this.#value(this.below(this.below(20) === 0 ? 3000 : 200)),
        expiresAtMs: this.#nowMs + this.below(1000),
      },
      count > 20 ? this.below(4) : 0,
    );
  }

  #forgetReplies(): void {
    const { count } = this.state.replies;
    if (count > 0) writeForgetReplies(this.#writer, 1 + this.below(Math.min(count, 10)));
  }

  // Rooms

  #changeRooms(): void {
    const { rooms } = this.state;
    const name = `room ${this.below(5)}`;
    const room = rooms.find(rangeOf(name));
    const draw = this.below(100);
    if (room === undefined) {
      const config = {
        maxEvents: this.pick([3, 30, 3000]),
        maxBytes: this.pick([2000, 20_000, 2 ** 33]),
        retentionMs: this.pick([0, 500]),
        dedupIdsMax: this.pick([0, 3, 100]),
      };
      writeRoomCreate(this.#writer, rangeOf(name), config, this.#nowMs);
    } else if (draw < 88) this.#publishEvents(room);
    else if (draw < 96) this.#trim(room);
    else if (draw < 98) writeRoomDelete(this.#writer, room.id);
    else writeRoomExpire(this.#writer, room.id);
  }

  #publishEvents(room: Room): void {
    for (let i = 0, count = 1 + this.below(5); i < count; i++) {
      const data = this.#value(this.below(this.below(20) === 0 ? 1500 : 100));
      const event = rangeOf("e".repeat(this.below(4)));
      const metadata = rangeOf(this.below(3) === 0 ? '{"m":1}' : "");
      const dedupId = rangeOf(this.below(2) === 0 ? `id ${this.below(20)}` : "");
      const bytes = eventRecordBytes(event.length, data.length, metadata.length, dedupId.length);
      if (bytes > room.config.maxBytes) continue;
      const roomOffset = room.nextOffset + this.#writer.count;
      writeRoomPublish(this.#writer, room.id, { event, data, metadata, dedupId }, roomOffset, this.#nowMs);
    }
  }

  #trim(room: Room): void {
    if (room.eventCount === 0) return;
    writeRoomTrim(this.#writer, room.id, room.oldestOffset + 1 + this.below(room.eventCount));
  }
}
