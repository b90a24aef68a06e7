/** Every kind of operation once or a few times, on things whose names begin with a word, so that it can be done again with another. */
import type { OperationWriter } from "../../src/state/operation.ts";
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
} from "../../src/state/queue-operation.ts";
import { DEATH_EXPIRED, DEATH_NACKED, ENDED_NACKED, ENDED_NONE } from "../../src/state/queue-record.ts";
import {
  PAYLOAD_HASH_BYTES,
  REPLY_JSON,
  REPLY_MSGPACK,
  ROW_JSON,
  ROW_MSGPACK,
  writeForgetReplies,
  writeRemember,
} from "../../src/state/reply-operation.ts";
import { NO_HASH, ReplyRow } from "../../src/state/reply-row.ts";
import {
  writeRoomCreate,
  writeRoomDelete,
  writeRoomExpire,
  writeRoomPublish,
  writeRoomTrim,
} from "../../src/state/room-operation.ts";
import { TAG_BYTES, TAG_INTEGER, TAG_JSON, TAG_TEXT, Value, type ValueTag } from "../../src/state/value.ts";
import { ByteRange, rangeOf } from "../../src/structures/byte-range.ts";
import { PLAIN } from "../queue-fixture.ts";
import type { DataNode } from "../quiet-node.ts";

const NOW_MS = 1_700_000_000_000;
const ROOM = { maxEvents: 5, maxBytes: 100_000, retentionMs: 60_000, dedupIdsMax: 3 };
const NOTHING = rangeOf("");

function value(tag: ValueTag, text: string): Value {
  const { bytes, end } = rangeOf(text);
  return new Value(tag, bytes, 0, end);
}

export class OperationTour {
  readonly #node: DataNode;
  readonly #word: string;

  constructor(node: DataNode, word: string) {
    this.#node = node;
    this.#word = word;
  }

  async run(): Promise<void> {
    for (const part of [() => this.#keys(), () => this.#queues(), () => this.#rooms(), () => this.#replies()]) {
      part();
      await this.#node.durable();
    }
  }

  #name(text: string): ByteRange {
    return rangeOf(`${this.#word} ${text}`);
  }

  /** One record; returns the offset of its first operation, which is the id of what it makes. */
  #commit(stage: (writer: OperationWriter) => void): number {
    const { nextOffset } = this.#node.log;
    this.#node.commit(stage);
    return nextOffset;
  }

  #keys(): void {
    const later = NOW_MS + 3_600_000;
    this.#commit((writer) => writer.put(this.#name("flushed"), TAG_TEXT, value(TAG_TEXT, "gone"), 0));
    this.#commit((writer) => writer.flush());
    this.#commit((writer) => {
      writer.put(this.#name("text"), TAG_TEXT, value(TAG_TEXT, "grüße"), 0);
      writer.put(this.#name("bytes"), TAG_BYTES, value(TAG_BYTES, "\0\u0001\u0002"), later);
      writer.put(this.#name("integer"), TAG_INTEGER, value(TAG_INTEGER, "12345678"), 0);
      writer.put(this.#name("json"), TAG_JSON, value(TAG_JSON, '{"a":[1.0,true]}'), 0);
      for (const name of ["removed", "expired", "evicted"]) {
        writer.put(this.#name(name), TAG_TEXT, value(TAG_TEXT, "v".repeat(300)), name === "expired" ? NOW_MS : 0);
      }
    });
    this.#commit((writer) => writer.remove(this.#name("removed")));
    this.#commit((writer) => {
      writer.expire(this.#name("expired"));
      writer.evict(this.#name("evicted"));
    });
    const { keys } = this.#node.state;
    const version = keys.versionOf(keys.find(this.#name("text")));
    this.#commit((writer) => writer.splice(this.#name("text"), TAG_TEXT, 10, value(TAG_TEXT, "behind"), version));
    this.#commit((writer) => writer.deadline(this.#name("integer"), later));
  }

  #publish(
    queueId: number,
    payload: string,
    more: { readonly readyAtMs?: number; readonly dedupId?: string } = {},
  ): number {
    const { readyAtMs = 0, dedupId = "" } = more;
    return this.#commit((writer) =>
      writePublish(writer, {
        queueId,
        payload: value(TAG_JSON, JSON.stringify(payload)),
        headers: rangeOf('{"h":1}'),
        priority: payload.length % 10,
        maxRetries: 3,
        publishedAtMs: NOW_MS,
        readyAtMs,
        expiresAtMs: NOW_MS + 7_200_000,
        dedupId: rangeOf(dedupId),
        dedupUntilMs: dedupId === "" ? 0 : NOW_MS + 60_000,
      }),
    );
  }

  #queues(): void {
    const deleted = this.#commit((writer) => writeQueueCreate(writer, this.#name("deleted queue"), PLAIN));
    this.#publish(deleted, "in a queue that goes", { dedupId: "d" });
    this.#commit((writer) => writeQueueDelete(writer, deleted));
    const purged = this.#commit((writer) => writeQueueCreate(writer, this.#name("purged queue"), PLAIN));
    this.#publish(purged, "purged");
    this.#commit((writer) => writeQueuePurge(writer, purged, 15));
    const queue = this.#commit((writer) => writeQueueCreate(writer, this.#name("queue"), { ...PLAIN, maxDepth: 1000 }));
    const message = (name: string): number => this.#publish(queue, name);
    message("ready");
    const delayed = this.#publish(queue, "delayed", { readyAtMs: NOW_MS + 1000 });
    this.#publish(queue, "stays delayed", { readyAtMs: NOW_MS + 900_000 });
    this.#commit((writer) => writeReady(writer, delayed));
    for (const dedupId of ["first", "second", "third"]) this.#publish(queue, dedupId, { dedupId });
    this.#commit((writer) => writeForget(writer, queue, 1));
    const delivered = (name: string): number => {
      const id = message(name);
      this.#commit((writer) => writeDeliver(writer, id, NOW_MS + 30_000, NOW_MS + 5));
      return id;
    };
    delivered("pending");
    const extended = delivered("extended");
    this.#commit((writer) => writeExtend(writer, extended, NOW_MS + 90_000));
    const acked = delivered("acked");
    this.#commit((writer) => writeAck(writer, acked));
    const requeued = delivered("requeued");
    this.#commit((writer) => writeRequeue(writer, requeued, ENDED_NACKED, 1, 0, NOW_MS + 10));
    const dropped = delivered("dropped");
    this.#commit((writer) => writeDrop(writer, dropped, DEATH_NACKED, ENDED_NACKED));
    const buried = Array.from({ length: 5 }, (_, i) => message(`buried ${i}`));
    this.#commit((writer) => {
      for (const id of buried) writeBury(writer, id, DEATH_EXPIRED, ENDED_NONE, NOW_MS + 20);
    });
    this.#commit((writer) => writeRetry(writer, buried[1], NOW_MS + 25));
    this.#commit((writer) => writeRetryAll(writer, queue));
    this.#commit((writer) => writeRetrySome(writer, queue, 2, NOW_MS + 30));
    const last = message("dead");
    this.#commit((writer) => writeBury(writer, last, DEATH_NACKED, ENDED_NONE, NOW_MS + 40));
  }

  #rooms(): void {
    const gone = [writeRoomDelete, writeRoomExpire];
    for (const [i, write] of gone.entries()) {
      const id = this.#commit((writer) => writeRoomCreate(writer, this.#name(`gone room ${i}`), ROOM, NOW_MS));
      this.#event(id, 0);
      this.#commit((writer) => write(writer, id));
    }
    const room = this.#commit((writer) => writeRoomCreate(writer, this.#name("room"), ROOM, NOW_MS));
    for (let i = 0; i < 8; i++) this.#event(room, i);
    this.#commit((writer) => writeRoomTrim(writer, room, 5));
  }

  #event(roomId: number, roomOffset: number): void {
    const event = {
      event: rangeOf("moved"),
      data: value(TAG_JSON, `{"x":${roomOffset}}`),
      metadata: roomOffset % 2 === 0 ? rangeOf('{"by":"me"}') : NOTHING,
      dedupId: roomOffset % 3 === 0 ? rangeOf(`event ${roomOffset}`) : NOTHING,
    };
    this.#commit((writer) => writeRoomPublish(writer, roomId, event, roomOffset, NOW_MS + roomOffset));
  }

  #replies(): void {
    const row = new ReplyRow();
    row.reset();
    for (const place of [0, 63]) {
      const hashAt = row.add(place, rangeOf('{"success":true}'));
      row.range.bytes.fill(place, hashAt, hashAt + PAYLOAD_HASH_BYTES);
    }
    for (let i = 0; i < 6; i++) {
      const format = ([REPLY_JSON, REPLY_MSGPACK, ROW_JSON, ROW_MSGPACK] as const)[i % 4];
      const hash = new ByteRange(rangeOf("0123456789abcdef").bytes, 0, 16);
      const isRow = format === ROW_JSON || format === ROW_MSGPACK;
      const reply = isRow
        ? { id: this.#name(`batch ${i}`), hash: NO_HASH, format, reply: row.range }
        : { id: this.#name(`request ${i}`), hash, format, reply: rangeOf('{"success":true}') };
      this.#commit((writer) => writeRemember(writer, { ...reply, expiresAtMs: NOW_MS + 600_000 + i }, i === 5 ? 1 : 0));
    }
    this.#commit((writer) => writeForgetReplies(writer, 2));
  }
}
