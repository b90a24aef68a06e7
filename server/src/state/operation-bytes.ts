/** How long an operation is that does not concern keys, for those who look through a record for what does. */
import { REPLY_KIND_MIN, ROOM_KIND_MIN } from "./operation.ts";
import { queueOperationBytes } from "./queue-operation-bytes.ts";
import { replyOperationBytes } from "./reply-operation.ts";
import { roomOperationBytes } from "./room-operation.ts";

/** Bytes of the operation at `at`, whose kind is `QUEUE_KIND_MIN` or above. Throws on an unknown kind. */
export function otherOperationBytes(bytes: Uint8Array, at: number): number {
  const kind = bytes[at];
  if (kind >= REPLY_KIND_MIN) return replyOperationBytes(bytes, at);
  return kind >= ROOM_KIND_MIN ? roomOperationBytes(bytes, at) : queueOperationBytes(bytes, at);
}
