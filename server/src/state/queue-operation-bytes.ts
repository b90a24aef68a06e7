/** How long the operations of queues are (queue-operation.ts draws them): for readers of the log that only pass them by. */
import { readUint16, readUint32 } from "./operation.ts";
import {
  OP_ACK,
  OP_BURY,
  OP_DELIVER,
  OP_DROP,
  OP_EXTEND,
  OP_FORGET,
  OP_PUBLISH,
  OP_QUEUE_CREATE,
  OP_QUEUE_DELETE,
  OP_QUEUE_PURGE,
  OP_READY,
  OP_REQUEUE,
  OP_RETRY,
  OP_RETRY_ALL,
  OP_RETRY_SOME,
  PUBLISH_HEADER_BYTES,
  QUEUE_CREATE_HEADER_BYTES,
} from "./queue-operation.ts";

const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [OP_QUEUE_DELETE, 7],
  [OP_QUEUE_PURGE, 8],
  [OP_DELIVER, 19],
  [OP_ACK, 7],
  [OP_REQUEUE, 22],
  [OP_BURY, 15],
  [OP_DROP, 9],
  [OP_EXTEND, 13],
  [OP_READY, 7],
  [OP_RETRY, 13],
  [OP_RETRY_ALL, 7],
  [OP_RETRY_SOME, 17],
  [OP_FORGET, 11],
]);

/** Bytes of the operation at `at`. Throws on an unknown kind. */
export function queueOperationBytes(bytes: Uint8Array, at: number): number {
  const kind = bytes[at];
  if (kind === OP_PUBLISH) {
    const dedupBytes = readUint16(bytes, at + 11);
    return PUBLISH_HEADER_BYTES + dedupBytes + readUint32(bytes, at + 13) + readUint32(bytes, at + 17);
  }
  if (kind === OP_QUEUE_CREATE) return QUEUE_CREATE_HEADER_BYTES + bytes[at + 1];
  const fixed = FIXED_BYTES.get(kind);
  if (fixed === undefined) throw new Error(`unknown operation kind ${kind} at byte ${at} of a record`);
  return fixed;
}
