/** Under which id an idempotent request is known: whose it is and which of theirs, the same bytes in every wire format. */
import { type Codec, type Envelope, NO_INDEX } from "../codecs/codec.ts";
import { writeAscii, writeInteger } from "../codecs/decimal.ts";
import type { OutputBuffer } from "../codecs/output-buffer.ts";
import { utf8Length, writeUtf8 } from "../codecs/utf8.ts";
import { type CommandError, fail } from "../commands/errors.ts";
import { ROW_PLACES } from "../state/reply-row.ts";
import type { ByteRange } from "../structures/byte-range.ts";

/** Request ids have a limit of their own, in every envelope. */
const CLIENT_ID_BYTES_MAX = 255;

const INTEGER_ID = 0x69;
const TEXT_ID = 0x73;
const OWNED_INTEGER_ID = 0x49;
const OWNED_TEXT_ID = 0x53;
/** Added for a row of commands of a batch, which has the request id. */
const ROW = 0x80;

/** Of a request that is known by its request id alone. */
export const WHOLE = NO_INDEX;

/** Why a request that says it is idempotent, or has such commands in its batch, cannot be; `undefined` where it can. */
export function refusalOfIds(request: Envelope): CommandError | undefined {
  const { items, itemCount, atomic, idempotent, clientId, hasItemIds } = request;
  if (items === undefined || atomic) return idempotent ? refusalOf(request, clientId) : undefined;
  if (!hasItemIds) return refusalOf(request, clientId);
  const refusalOfBatch = clientId === undefined ? undefined : refusalOfClient(clientId);
  if (refusalOfBatch !== undefined) return refusalOfBatch;
  for (let i = 0; i < itemCount; i++) {
    const item = items[i];
    if (!(item.idempotent ?? idempotent)) continue;
    if (item.requestId === undefined && (!idempotent || item.index !== NO_INDEX)) return withoutId(i);
    const refusal = refusalOf(item.requestId === undefined ? request : item, item.clientId ?? clientId);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function refusalOf({ requestId }: Envelope, clientId: ByteRange | undefined): CommandError | undefined {
  if (requestId === undefined) return missing("request_id");
  if (clientId === undefined) return missing("client_id");
  return refusalOfClient(clientId);
}

function refusalOfClient(clientId: ByteRange): CommandError | undefined {
  const clientBytes = clientId.end - clientId.start;
  if (clientBytes > 0 && clientBytes <= CLIENT_ID_BYTES_MAX) return undefined;
  return fail("INVALID_REQUEST", `client_id must have 1 to ${CLIENT_ID_BYTES_MAX} bytes`, { path: "client_id" });
}

function missing(path: "request_id" | "client_id"): CommandError {
  return fail("INVALID_REQUEST", `an idempotent request needs a ${path}`, { path });
}

function withoutId(index: number): CommandError {
  const message = "give each idempotent command a request_id of its own, or let the whole batch be idempotent";
  return fail("INVALID_REQUEST", message, { path: "request_id", index });
}

/**
 *     clientBytes u8 | client | "i" | decimal digits
 *                             | "s" | UTF-8
 *                             | "I" | ownerBytes u8 | owner | decimal digits
 *                             | "S" | ownerBytes u8 | owner | UTF-8
 *                             | one of these + 128 | row u16 | ...        64 commands of a batch, each with a place in the row
 *
 * The integer 7 and the text "7" are different ids, as they are for whoever compares replies by them. With tokens, each has
 * ids of its own: nobody can take those that another is about to use.
 *
 * @param out gets it.
 * @param owner that of the token (access/grant.ts); empty where nobody has to log in.
 * @param requestId as `decoder` reads it.
 * @param index of a command in the batch that has the request id, or `WHOLE`.
 */
export function writeId(
  out: OutputBuffer,
  owner: string,
  clientId: ByteRange,
  requestId: ByteRange,
  decoder: Pick<Codec, "decodeId">,
  index = WHOLE,
): void {
  const id = decoder.decodeId(requestId);
  const isText = typeof id === "string";
  out.writeByte(clientId.length);
  out.writeBytes(clientId.bytes, clientId.start, clientId.end);
  const kind = owner === "" ? (isText ? TEXT_ID : INTEGER_ID) : isText ? OWNED_TEXT_ID : OWNED_INTEGER_ID;
  out.writeByte(index === WHOLE ? kind : kind + ROW);
  if (index !== WHOLE) {
    const row = Math.floor(index / ROW_PLACES);
    out.writeByte(row & 0xff);
    out.writeByte(row >> 8);
  }
  if (owner !== "") {
    out.writeByte(owner.length);
    writeAscii(out, owner);
  }
  if (isText) writeUtf8(out, id, utf8Length(id));
  else writeInteger(out, id);
}
