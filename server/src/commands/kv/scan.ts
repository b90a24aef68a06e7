/** Commands that list keys: kv.scan, kv.keys, kv.dbsize. */
import { type Grant, slotOf } from "../../access/grant.ts";
import { TAG_NAMES, type Value } from "../../state/value.ts";
import { ByteRange, rangeOf } from "../../structures/byte-range.ts";
import { Glob, literalPrefixLength } from "../../structures/glob.ts";
import { FILTERED, WHOLE } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { MatchBudget } from "../match-budget.ts";
import {
  Bytes,
  Choice,
  Flag,
  Integer,
  Items,
  Key,
  List,
  Nullable,
  Optional,
  StoredValue,
  Struct,
  Text,
} from "../schema.ts";
import type { ScanCursors } from "./scan-cursors.ts";

/** A pattern of so many bytes takes eight times as long to match as one of up to 31. */
const PATTERN_BYTES_MAX = 255;
const SCAN_LIMIT_MAX = 2_000;
/** How many keys one scan may look at for each that it may return, so that a rare pattern cannot hold the loop. */
const VISITS_PER_KEY = 5;
const VISITS_MIN = 1_000;
/**
 * The work of one page, in bytes: those of keys looked at, times the words of the pattern, and those of values answered
 * with. The key that uses it up is finished, so every page makes progress. Matching takes about 3 ns a byte.
 */
const SCAN_WORK_BYTES = 2 ** 20;
/** base64url of the longest key, and the letter before it. */
const CURSOR_BYTES_MAX = 1 + Math.ceil((65_535 * 4) / 3) + 4;

/** Those of `key.type`, and those that clients of Redis ask for. */
const TYPES = [...TAG_NAMES, "string", "list", "set", "zset", "hash", "stream"] as const;

export const kvScan = readCommand({
  name: "kv.scan",
  access: "read",
  guard: FILTERED,
  summary: "Answers with keys in order, page by page; a key that stays put is seen exactly once.",
  arguments: Struct({
    prefix: Optional(Bytes({ description: "Only keys that begin with this." })),
    pattern: Optional(Bytes({ maxBytes: PATTERN_BYTES_MAX, description: "Only keys that match this glob." })),
    cursor: Optional(
      Text({ maxBytes: CURSOR_BYTES_MAX, description: "The cursor of the page before; absent for the first page." }),
    ),
    limit: Optional(
      Integer({
        minimum: 1,
        maximum: SCAN_LIMIT_MAX,
        default: 100,
        aliases: ["count"],
        description: "At most so many keys; a page may have fewer, even none, and still not be the last.",
      }),
    ),
    values: Optional(Flag({ description: "Answer with the values too." })),
    type: Optional(
      Choice(TYPES, {
        description:
          "Only keys whose value is of this type; string is any of the first four, and of the others there is none.",
      }),
    ),
    integer_cursor: Optional(
      Integer({
        minimum: 0,
        description: "In place of `cursor`, for protocols whose cursors are integers: 0 for the first page.",
      }),
    ),
  }),
  reply: Struct({
    keys: List(Key(), { minItems: 0 }),
    values: Optional(Items(StoredValue(), { description: "One for each key." })),
    cursor: Nullable(Text(), { description: "Null at the end." }),
    integer_cursor: Optional(
      Integer({
        description:
          "Where that was asked for: 0 at the end. This node remembers some thousands of them, the last used.",
      }),
    ),
    has_more: Flag(),
    count: Integer(),
  }),
  read(args, { keys, scanCursors, caller }) {
    const after = startOf(args, scanCursors);
    if (isCommandError(after)) return after;
    const limit = args.limit ?? 100;
    const { pattern, type = "string" } = args;
    const found: ByteRange[] = [];
    const values: Value[] | undefined = args.values === true ? [] : undefined;
    let visitsLeft = Math.max(VISITS_MIN, limit * VISITS_PER_KEY);
    let workLeft = SCAN_WORK_BYTES;
    let last: ByteRange | undefined;
    let hasMore = false;
    const wanted = narrowest(args.prefix, pattern);
    const prefix = wanted && permitted(caller.grant, wanted);
    if (isCommandError(prefix)) return prefix;
    const tag = tagOf(type);
    if (prefix === undefined || tag === NO_TAG) {
      return {
        keys: [],
        values,
        cursor: null,
        integer_cursor: args.integer_cursor === undefined ? undefined : 0,
        has_more: false,
        count: 0,
      };
    }
    const glob = pattern === undefined ? undefined : new Glob(pattern);
    keys.scan(after, prefix, (key, entry) => {
      if (found.length === limit || visitsLeft-- === 0 || workLeft <= 0) {
        hasMore = true;
        return false;
      }
      workLeft -= key.length * (glob?.words ?? 1);
      last ??= new ByteRange(key.bytes, 0, 0);
      last.bytes = key.bytes;
      last.start = key.start;
      last.end = key.end;
      if (glob !== undefined && !glob.matches(key)) return true;
      if (tag !== ANY_TAG && entry.value.tag !== tag) return true;
      found.push(new ByteRange(key.bytes, key.start, key.end));
      if (values !== undefined) {
        values.push(entry.value.view());
        workLeft -= entry.value.length;
      }
      return true;
    });
    const end = hasMore ? last : undefined;
    return {
      keys: found,
      values,
      cursor: end === undefined ? null : encodeCursor(end),
      integer_cursor:
        args.integer_cursor === undefined
          ? undefined
          : end === undefined
            ? 0
            : scanCursors.add(end, caller.grant.owner),
      has_more: end !== undefined,
      count: found.length,
    };
  },
});

const KV_READ = slotOf("kv", "read");

/**
 * The keys that the caller may see of those that begin with `wanted`, as one prefix. Others are not looked at: a page that left
 * them out would tell of them by its cursor, and by how long it takes. Error: FORBIDDEN.
 */
function permitted(grant: Grant, wanted: ByteRange): ByteRange | CommandError {
  const prefix = grant.narrowed(KV_READ, wanted);
  if (prefix !== undefined) return prefix;
  return fail("FORBIDDEN", "the token permits a part of these keys: name a prefix or a pattern that begins with one", {
    needs: "kv:read",
    path: "prefix",
  });
}

const ANY_TAG = -1;
const NO_TAG = -2;

/** The tag that values of a type have. */
function tagOf(type: (typeof TYPES)[number]): number {
  if (type === "string") return ANY_TAG;
  const tag = TYPES.indexOf(type);
  return tag < TAG_NAMES.length ? tag : NO_TAG;
}

/** The key after which the page begins; `undefined` for the first page. Errors: INVALID_PAYLOAD. */
function startOf(
  args: { readonly cursor?: string; readonly integer_cursor?: number },
  scanCursors: ScanCursors,
): ByteRange | CommandError | undefined {
  const { cursor, integer_cursor: id } = args;
  if (id === undefined) return cursor === undefined ? undefined : decodeCursor(cursor);
  if (cursor !== undefined) {
    return fail("INVALID_PAYLOAD", "cursor and integer_cursor exclude each other", { path: "integer_cursor" });
  }
  if (id === 0) return undefined;
  const after = scanCursors.find(id);
  return (
    after ??
    fail("INVALID_PAYLOAD", "the cursor is unknown or forgotten: begin the scan again", { path: "integer_cursor" })
  );
}

/** The longer of the prefix and the pattern's literal beginning; `undefined` where they exclude each other. */
function narrowest(prefix: ByteRange | undefined, pattern: ByteRange | undefined): ByteRange | undefined {
  const none = prefix ?? rangeOf("");
  if (pattern === undefined) return none;
  const literal = new ByteRange(pattern.bytes, pattern.start, pattern.start + literalPrefixLength(pattern));
  const [short, long] = literal.length > none.length ? [none, literal] : [literal, none];
  for (let i = 0; i < short.length; i++) {
    if (short.bytes[short.start + i] !== long.bytes[long.start + i]) return undefined;
  }
  return long;
}

/** The last key seen, in letters that no client or URL changes; the first one says how it is written. */
function encodeCursor(key: ByteRange): string {
  return `k${Buffer.from(key.bytes.buffer, key.bytes.byteOffset + key.start, key.length).toString("base64url")}`;
}

function decodeCursor(cursor: string): ByteRange | CommandError {
  const bytes = Buffer.from(cursor.slice(1), "base64url");
  if (cursor[0] !== "k" || bytes.length === 0 || bytes.toString("base64url") !== cursor.slice(1)) {
    return fail("INVALID_PAYLOAD", "cursor is not one that kv.scan gave", { path: "cursor" });
  }
  return new ByteRange(bytes, 0, bytes.length);
}

export const kvKeys = readCommand({
  name: "kv.keys",
  access: "read",
  guard: FILTERED,
  summary: "Answers with every key that matches a glob, in order; refused where that is too many: use kv.scan.",
  arguments: Struct({
    pattern: Bytes({ maxBytes: PATTERN_BYTES_MAX, description: "A glob: * ? [a-z] and \\ as in Redis." }),
  }),
  reply: Struct({ keys: List(Key(), { minItems: 0 }) }),
  read(args, { keys, limits, caller }) {
    const { pattern } = args;
    const literal = new ByteRange(pattern.bytes, pattern.start, pattern.start + literalPrefixLength(pattern));
    const prefix = permitted(caller.grant, literal);
    if (isCommandError(prefix)) return prefix;
    const glob = new Glob(pattern);
    const found: ByteRange[] = [];
    const budget = new MatchBudget(limits.keysReplyMax);
    let reason: string | undefined;
    keys.scan(undefined, prefix, (key) => {
      if (!budget.take(key.length, glob.words)) {
        reason = "the pattern would look at too many keys, whether they match or not";
        return false;
      }
      if (!glob.matches(key)) return true;
      if (found.length === limits.keysReplyMax) {
        reason = "too many keys match for one reply";
        return false;
      }
      found.push(new ByteRange(key.bytes, key.start, key.end));
      return true;
    });
    if (reason === undefined) return { keys: found };
    return fail("INVALID_PAYLOAD", `${reason}: use kv.scan, which answers page by page`, {
      path: "pattern",
      keys_max: limits.keysReplyMax,
    });
  },
});

export const kvDbsize = readCommand({
  name: "kv.dbsize",
  access: "read",
  guard: WHOLE,
  summary: "Answers how many keys there are.",
  arguments: Struct({}),
  reply: Struct({ size: Integer() }),
  read: (_args, { keys }) => ({ size: keys.size }),
});
