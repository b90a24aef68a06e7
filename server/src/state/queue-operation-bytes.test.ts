import { describe, expect, it } from "vitest";
import { PLAIN } from "../../test/queue-fixture.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { OperationWriter } from "./operation.ts";
import {
  OP_QUEUE_CREATE,
  OP_QUEUE_LAST,
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
} from "./queue-operation.ts";
import { queueOperationBytes } from "./queue-operation-bytes.ts";
import { DEATH_NACKED, ENDED_NACKED } from "./queue-record.ts";
import { TAG_TEXT, Value } from "./value.ts";

const { bytes, start, end } = rangeOf("a payload");

const WRITES: readonly ((writer: OperationWriter) => void)[] = [
  (writer) => writeQueueCreate(writer, rangeOf("a queue"), PLAIN),
  (writer) => writeQueueDelete(writer, 1),
  (writer) => writeQueuePurge(writer, 1, 3),
  (writer) =>
    writePublish(writer, {
      queueId: 1,
      payload: new Value(TAG_TEXT, bytes, start, end),
      headers: rangeOf('{"a":1}'),
      priority: 5,
      maxRetries: 3,
      publishedAtMs: 1,
      readyAtMs: 0,
      expiresAtMs: 0,
      dedupId: rangeOf("id"),
      dedupUntilMs: 9,
    }),
  (writer) => writeDeliver(writer, 2, 3, 4),
  (writer) => writeAck(writer, 2),
  (writer) => writeRequeue(writer, 2, ENDED_NACKED, 1, 0, 4),
  (writer) => writeBury(writer, 2, DEATH_NACKED, ENDED_NACKED, 4),
  (writer) => writeDrop(writer, 2, DEATH_NACKED, ENDED_NACKED),
  (writer) => writeExtend(writer, 2, 3),
  (writer) => writeReady(writer, 2),
  (writer) => writeRetry(writer, 2, 3),
  (writer) => writeRetryAll(writer, 1),
  (writer) => writeRetrySome(writer, 1, 2, 3),
  (writer) => writeForget(writer, 1, 2),
];

describe("queueOperationBytes", () => {
  it("is the length of every operation", () => {
    const kinds: number[] = [];
    for (const write of WRITES) {
      const writer = new OperationWriter();
      writer.remove(rangeOf("before"));
      const at = writer.length;
      write(writer);
      kinds.push(writer.bytes[at]);
      expect(at + queueOperationBytes(writer.bytes, at)).toBe(writer.length);
    }
    expect(kinds).toEqual(Array.from({ length: OP_QUEUE_LAST - OP_QUEUE_CREATE + 1 }, (_, i) => OP_QUEUE_CREATE + i));
  });

  it("throws on a kind that there is not", () => {
    expect(() => queueOperationBytes(Uint8Array.of(OP_QUEUE_LAST + 1), 0)).toThrow("unknown operation kind");
  });
});
