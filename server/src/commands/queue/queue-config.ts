/** The configuration of a queue as queue.create takes it, and what it becomes in the store. */
import type { QueueConfig } from "../../state/queue.ts";
import { readInt64, TAG_INTEGER, TAG_JSON, type Value } from "../../state/value.ts";
import { type CommandError, fail } from "../errors.ts";
import { Flag, Integer, Optional, type Schema, type Static, StoredValue, Struct } from "../schema.ts";

/** A week: a consumer that needs longer extends its deadline. */
export const ACK_DEADLINE_SECS_MAX = 604_800;
export const RETRIES_MAX = 65_535;
/** A hundred years; instants stay well inside 48 bits of milliseconds. */
export const DELAY_SECS_MAX = 3_155_760_000;
export const DELAY_MS_MAX = DELAY_SECS_MAX * 1000;
const DEPTH_MAX = 2 ** 47;
const FACTOR_MAX = 1_000;
/** No number that is written for people is longer. */
const NUMBER_BYTES_MAX = 32;

/** The codecs know no fractions but as values. */
const factorSchema: Schema<Value> = {
  ...StoredValue({ description: `Each wait is so many times the one before: 1 to ${FACTOR_MAX}, also a fraction.` }),
  type: "number",
};

export const configSchema = Struct(
  {
    max_depth: Optional(
      Integer({ minimum: 0, maximum: DEPTH_MAX, description: "Ready and delayed messages; 0: any." }),
    ),
    max_bytes: Optional(Integer({ minimum: 0, maximum: DEPTH_MAX, description: "Of their content; 0: any." })),
    ack_deadline_secs: Optional(Integer({ minimum: 1, maximum: ACK_DEADLINE_SECS_MAX })),
    default_max_retries: Optional(Integer({ minimum: 0, maximum: RETRIES_MAX })),
    default_priority: Optional(Integer({ minimum: 0, maximum: 9 })),
    message_ttl_secs: Optional(Integer({ minimum: 0, maximum: DELAY_SECS_MAX, description: "0 is for ever." })),
    retry_backoff_ms: Optional(
      Struct({
        initial: Optional(Integer({ minimum: 0, maximum: DELAY_MS_MAX, description: "Before the first retry." })),
        factor: Optional(factorSchema),
        max: Optional(Integer({ minimum: 0, maximum: DELAY_MS_MAX })),
      }),
    ),
    dead_letter: Optional(
      Struct({
        enabled: Optional(Flag({ description: "Else messages that die are dropped." })),
        max_depth: Optional(Integer({ minimum: 0, maximum: DEPTH_MAX, description: "Past it the oldest go; 0: any." })),
      }),
    ),
    dedup_window_secs: Optional(
      Integer({
        minimum: 0,
        maximum: DELAY_SECS_MAX,
        description: "How long a dedup_id is remembered; 0: not at all.",
      }),
    ),
  },
  { ignored: ["prefetch_limit"] },
);

export type ConfigArguments = Static<typeof configSchema>;

/** What is asked for, and the defaults for the rest. Errors: INVALID_PAYLOAD. */
export function configOf(args: ConfigArguments, defaults: QueueConfig): QueueConfig | CommandError {
  const { retry_backoff_ms: backoff, dead_letter: dead } = args;
  const factor = backoff?.factor === undefined ? defaults.retryBackoff.factor : numberOf(backoff.factor);
  if (factor === undefined || factor < 1 || factor > FACTOR_MAX) {
    const path = "config.retry_backoff_ms.factor";
    return fail("INVALID_PAYLOAD", `factor must be a number from 1 to ${FACTOR_MAX}`, { path });
  }
  return {
    maxDepth: args.max_depth ?? defaults.maxDepth,
    maxBytes: args.max_bytes ?? defaults.maxBytes,
    ackDeadlineMs: inMs(args.ack_deadline_secs) ?? defaults.ackDeadlineMs,
    maxRetries: args.default_max_retries ?? defaults.maxRetries,
    defaultPriority: args.default_priority ?? defaults.defaultPriority,
    messageTtlMs: inMs(args.message_ttl_secs) ?? defaults.messageTtlMs,
    retryBackoff: {
      initialMs: backoff?.initial ?? defaults.retryBackoff.initialMs,
      factor,
      maxMs: backoff?.max ?? defaults.retryBackoff.maxMs,
    },
    deadLetter: {
      enabled: dead?.enabled ?? defaults.deadLetter.enabled,
      maxDepth: dead?.max_depth ?? defaults.deadLetter.maxDepth,
    },
    dedupWindowMs: inMs(args.dedup_window_secs) ?? defaults.dedupWindowMs,
  };
}

function inMs(secs: number | undefined): number | undefined {
  return secs === undefined ? undefined : secs * 1000;
}

/** A finite number, or `undefined` for anything else. */
function numberOf({ tag, bytes, start, end }: Value): number | undefined {
  if (tag === TAG_INTEGER) return Number(readInt64(bytes, start));
  if (tag !== TAG_JSON || end - start > NUMBER_BYTES_MAX) return undefined;
  const parsed: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString());
  return typeof parsed === "number" && Number.isFinite(parsed) ? parsed : undefined;
}

/** A config by its names on the wire. */
function onWire(config: QueueConfig): Readonly<Record<string, number | boolean>> {
  return {
    max_depth: config.maxDepth,
    max_bytes: config.maxBytes,
    ack_deadline_secs: config.ackDeadlineMs / 1000,
    default_max_retries: config.maxRetries,
    default_priority: config.defaultPriority,
    message_ttl_secs: config.messageTtlMs / 1000,
    "retry_backoff_ms.initial": config.retryBackoff.initialMs,
    "retry_backoff_ms.factor": config.retryBackoff.factor,
    "retry_backoff_ms.max": config.retryBackoff.maxMs,
    "dead_letter.enabled": config.deadLetter.enabled,
    "dead_letter.max_depth": config.deadLetter.maxDepth,
    dedup_window_secs: config.dedupWindowMs / 1000,
  };
}

/** The fields in which two configurations differ, with both values; `undefined` where they are the same. */
export function differences(
  current: QueueConfig,
  requested: QueueConfig,
): Record<string, { readonly current: unknown; readonly requested: unknown }> | undefined {
  const now = onWire(current);
  const wanted = onWire(requested);
  const differing = Object.keys(now).filter((name) => now[name] !== wanted[name]);
  if (differing.length === 0) return undefined;
  return Object.fromEntries(differing.map((name) => [name, { current: now[name], requested: wanted[name] }]));
}
