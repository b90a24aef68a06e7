/** How messages look in replies and pushes (wire contract, section 4), and the schemas of that. */
import { DEATH_REASON_NAMES } from "../../state/queue-record.ts";
import type { QueueStore } from "../../state/queue-store.ts";
import { TAG_JSON, Value } from "../../state/value.ts";
import { rangeOf } from "../../structures/byte-range.ts";
import { Choice, Integer, StoredValue, Struct } from "../schema.ts";

/** Messages in one reply. */
export const REPLY_MESSAGES_MAX = 1_000;
/** The other fields of a message, in a sixth of the bytes that they take at most in a reply. */
const FIELDS_BYTES = 50;

const identity = {
  id: Integer({ description: "Ids grow in publish order." }),
};

const content = {
  payload: StoredValue(),
  priority: Integer(),
  retry_count: Integer({ description: "Deliveries before that were not acknowledged." }),
  max_retries: Integer(),
  headers: StoredValue({ description: "A JSON object." }),
  published_at_ms: Integer(),
};

/** A message as a consumer gets it. */
export const deliveredSchema = Struct({
  ...identity,
  delivery_id: Integer({ description: "Of this delivery; grows with every delivery: a fencing token." }),
  ...content,
  deadline_at_ms: Integer({ description: "Until when it is to be acknowledged." }),
});

export const waitingSchema = Struct({ ...identity, ...content });

export const deadSchema = Struct({
  ...identity,
  ...content,
  reason: Choice(["max_retries", "nacked", "expired"], { description: "Why it is a dead letter." }),
  died_at_ms: Integer(),
});

export interface DeliveredMessage {
  readonly id: number;
  readonly delivery_id: number;
  readonly payload: Value;
  readonly priority: number;
  readonly retry_count: number;
  readonly max_retries: number;
  readonly headers: Value;
  readonly published_at_ms: number;
  readonly deadline_at_ms: number;
}

const NOTHING = new Uint8Array(0);
const { bytes: emptyObject } = rangeOf("{}");
const NO_HEADERS = new Value(TAG_JSON, emptyObject, 0, emptyObject.length);

/** What a message counts for in a page: a sixth of what it takes in a reply where JSON escapes all of it. */
export function pageBytesOf({ messages }: QueueStore, ref: number): number {
  return FIELDS_BYTES + messages.contentBytesOf(ref);
}

function payloadOf({ messages }: QueueStore, ref: number): Value {
  const payload = new Value(TAG_JSON, NOTHING, 0, 0);
  messages.readPayload(ref, payload);
  return payload;
}

function headersOf({ messages }: QueueStore, ref: number): Value {
  const headers = new Value(TAG_JSON, NOTHING, 0, 0);
  messages.readHeaders(ref, headers);
  return headers.end > headers.start ? headers : NO_HEADERS;
}

/** Payload and headers point into the store: encode them before it changes. */
export function deliveredMessage(
  store: QueueStore,
  ref: number,
  deliveryId: number,
  deadlineMs: number,
): DeliveredMessage {
  const { messages } = store;
  return {
    id: messages.idOf(ref),
    delivery_id: deliveryId,
    payload: payloadOf(store, ref),
    priority: messages.priorityOf(ref),
    retry_count: messages.retryCountOf(ref),
    max_retries: messages.maxRetriesOf(ref),
    headers: headersOf(store, ref),
    published_at_ms: messages.publishedAtMsOf(ref),
    deadline_at_ms: deadlineMs,
  };
}

/** As `deliveredMessage`. */
export function waitingMessage(store: QueueStore, ref: number) {
  const { messages } = store;
  return {
    id: messages.idOf(ref),
    payload: payloadOf(store, ref),
    priority: messages.priorityOf(ref),
    retry_count: messages.retryCountOf(ref),
    max_retries: messages.maxRetriesOf(ref),
    headers: headersOf(store, ref),
    published_at_ms: messages.publishedAtMsOf(ref),
  };
}

/** As `deliveredMessage`, of a dead letter. */
export function deadMessage(store: QueueStore, ref: number) {
  const { messages } = store;
  // A dead letter has a reason.
  const reason = DEATH_REASON_NAMES[messages.deathReasonOf(ref)] as "max_retries" | "nacked" | "expired";
  return { ...waitingMessage(store, ref), reason, died_at_ms: messages.instantMsOf(ref) };
}
