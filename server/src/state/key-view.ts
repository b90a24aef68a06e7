/**
 * What a command sees of the keys while it is planned: the store, without what is overdue, through the effects that the
 * same record has staged so far.
 *
 * Most records stage one operation and look nothing up afterwards, so the overlay exists only once it is needed:
 * `Planner` fills it from the operations already written when a second look-up comes.
 */
import { ByteRange, compareRanges } from "../structures/byte-range.ts";
import { type KeyStore, NONE, PRIME_COUNT_MAX } from "./key-store.ts";
import { firstAfter, type StagedKey, StagedKeys } from "./staged-keys.ts";
import { TAG_TEXT, Value, type ValueTag } from "./value.ts";

const NOTHING = new Uint8Array(0);
/** As an offset that must be released: all of the state. */
const EVERYTHING = Number.POSITIVE_INFINITY;
const NOTHING_STAGED: readonly StagedKey[] = [];

/** One key as found. Reused: valid until the next look-up, its value also only until the next operation is applied. */
export class KeyEntry {
  readonly value = new Value(TAG_TEXT, NOTHING, 0, 0);
  version = 0;
  /** 0 for none. */
  deadlineMs = 0;
  /** The record in the store, or `NONE` where the entry is only staged. */
  ref = NONE;
}

export class KeyView {
  readonly #store: KeyStore;
  readonly #entry = new KeyEntry();
  readonly #scanned = new ByteRange(NOTHING, 0, 0);
  /** What `#entry` shows, as far as `last` may tell: the key that was looked up, and whether it was there. */
  #lastBytes: Uint8Array = NOTHING;
  #lastStart = 0;
  #lastEnd = 0;
  #lastIsThere = false;
  #staged: StagedKeys | undefined;
  #stagedFlush = false;
  /** By how many keys what is staged changes the store, or what a staged flush leaves of it. */
  #stagedSize = 0;
  /** The instant this view shows; set once per message. */
  nowMs = 0;
  /** Whether the last `find` or `peek` met a key whose deadline has passed and hid it. */
  metOverdue = false;
  /**
   * What has been seen since somebody set this to 0: the greatest version of the keys that look-ups found, or infinity for
   * what no version tells of, such as that a key is not there, or which keys there are.
   */
  seenOffset = 0;

  constructor(store: KeyStore) {
    this.#store = store;
  }

  /** Looks a key up and counts the access for LRU and LFU. */
  find(key: ByteRange): KeyEntry | undefined {
    const entry = this.peek(key);
    if (entry !== undefined) this.touch(entry);
    return entry;
  }

  /** Counts an access to what the last look-up found. */
  touch(entry: KeyEntry): void {
    if (entry.ref !== NONE) this.#store.touch(entry.ref, this.nowMs);
  }

  /** The memory that what the last look-up found takes, and its accesses as far as the eviction policy counts them. */
  storageOf(entry: KeyEntry): { bytes: number; idleMs: number | undefined; frequency: number | undefined } {
    if (entry.ref === NONE) return { bytes: 0, idleMs: undefined, frequency: undefined };
    const bytes = this.#store.recordBytesOf(entry.ref);
    return { bytes, ...this.#store.pool.accessOf(entry.ref, this.nowMs) };
  }

  /** `find` for each of several keys; the look-ups of a group overlap, which is what makes many keys cheap. */
  findEach(wanted: readonly ByteRange[], visit: (entry: KeyEntry | undefined) => void): void {
    for (let first = 0; first < wanted.length; first += PRIME_COUNT_MAX) {
      const group =
        first === 0 && wanted.length <= PRIME_COUNT_MAX ? wanted : wanted.slice(first, first + PRIME_COUNT_MAX);
      try {
        this.#store.prime(group, group.length);
        for (const key of group) visit(this.find(key));
      } finally {
        this.#store.unprime();
      }
    }
  }

  /** Looks a key up without counting it as an access. */
  peek(key: ByteRange): KeyEntry | undefined {
    this.metOverdue = false;
    this.#lastBytes = NOTHING;
    if (this.#staged !== undefined) {
      this.seenOffset = EVERYTHING;
      const staged = this.#staged.get(key);
      if (staged !== undefined) return this.#fromStaged(staged);
      if (this.#stagedFlush) return undefined;
    }
    const ref = this.#store.find(key);
    this.#lastStart = key.start;
    this.#lastEnd = key.end;
    this.#lastIsThere = ref !== NONE;
    if (ref === NONE) {
      this.#lastBytes = key.bytes;
      this.seenOffset = EVERYTHING;
      return undefined;
    }
    const entry = this.#entry;
    this.#store.readEntry(ref, entry);
    if (entry.deadlineMs !== 0 && entry.deadlineMs <= this.nowMs) {
      this.metOverdue = true;
      this.seenOffset = EVERYTHING;
      return undefined;
    }
    if (entry.version > this.seenOffset) this.seenOffset = entry.version;
    this.#lastBytes = key.bytes;
    return entry;
  }

  /**
   * Whether the last look-up was for these very bytes, and nothing has been looked up or applied since: most writes find
   * their key, decide, and look it up again to stage the change.
   */
  wasLast(key: ByteRange): boolean {
    return this.#lastBytes === key.bytes && this.#lastStart === key.start && this.#lastEnd === key.end;
  }

  /** What that look-up found. */
  get last(): KeyEntry | undefined {
    return this.#lastIsThere ? this.#entry : undefined;
  }

  #fromStaged(staged: StagedKey): KeyEntry | undefined {
    const { value } = staged;
    if (value === undefined) return undefined;
    if (staged.deadlineMs !== 0 && staged.deadlineMs <= this.nowMs) return undefined;
    const entry = this.#entry;
    entry.value.tag = value.tag;
    entry.value.bytes = value.bytes;
    entry.value.start = value.start;
    entry.value.end = value.end;
    entry.version = staged.version;
    entry.deadlineMs = staged.deadlineMs;
    entry.ref = NONE;
    return entry;
  }

  /** Keys, with those overdue that the ticker has not reached yet. */
  get size(): number {
    this.seenOffset = EVERYTHING;
    return (this.#stagedFlush ? 0 : this.#store.size) + this.#stagedSize;
  }

  /**
   * Visits keys in unsigned byte order, strictly after `after`, under `prefix`, until `visit` answers false. The entry and
   * the key are reused: copy what is kept.
   */
  scan(
    after: ByteRange | undefined,
    prefix: ByteRange | undefined,
    visit: (key: ByteRange, entry: KeyEntry) => boolean,
  ): void {
    this.#lastBytes = NOTHING;
    this.seenOffset = EVERYTHING;
    const staged = this.#staged === undefined ? NOTHING_STAGED : this.#staged.inOrder();
    let next = after === undefined ? 0 : firstAfter(staged, after, false);
    if (prefix !== undefined) next = Math.max(next, firstAfter(staged, prefix, true));
    let stopped = false;
    const visitStaged = (item: StagedKey): boolean => {
      const entry = this.#fromStaged(item);
      return entry === undefined || visit(item.key, entry);
    };
    if (!this.#stagedFlush) {
      this.#store.scan(after, prefix, (ref) => {
        this.#store.readKey(ref, this.#scanned);
        while (next < staged.length) {
          const order = compareRanges(staged[next].key, this.#scanned);
          if (order > 0) break;
          stopped = !visitStaged(staged[next++]);
          if (stopped) return false;
          if (order === 0) return true;
        }
        stopped = !this.#visitStored(ref, visit);
        return !stopped;
      });
    }
    while (!stopped && next < staged.length && startsWith(staged[next].key, prefix)) {
      stopped = !visitStaged(staged[next++]);
    }
  }

  #visitStored(ref: number, visit: (key: ByteRange, entry: KeyEntry) => boolean): boolean {
    const entry = this.#entry;
    this.#store.readEntry(ref, entry);
    if (entry.deadlineMs !== 0 && entry.deadlineMs <= this.nowMs) return true;
    return visit(this.#scanned, entry);
  }

  /**
   * A key that is there, about uniformly chosen; `undefined` when none was met. Staged keys are left out of the draw.
   * @param random draws from [0, 1).
   */
  random(random: () => number): ByteRange | undefined {
    this.seenOffset = EVERYTHING;
    if (this.#stagedFlush) return undefined;
    for (let attempt = 0; attempt < 100; attempt++) {
      const ref = this.#store.randomRef(random);
      if (ref === NONE) return undefined;
      this.#store.readKey(ref, this.#scanned);
      if (this.peek(this.#scanned) !== undefined) return this.#scanned;
    }
    return undefined;
  }

  /** From here on the view shows what `stage` is told. */
  beginStaging(): void {
    this.#staged ??= new StagedKeys();
  }

  get staging(): boolean {
    return this.#staged !== undefined;
  }

  /** Whether the record being planned has touched `key`. */
  isStaged(key: ByteRange): boolean {
    return this.#staged?.get(key) !== undefined;
  }

  stagePut(key: ByteRange, tag: ValueTag, value: ByteRange, deadlineMs: number, version: number): void {
    this.#stage(key, new Value(tag, value.bytes, value.start, value.end), deadlineMs, version);
  }

  stageRemove(key: ByteRange): void {
    this.#stage(key, undefined, 0, 0);
  }

  #stage(key: ByteRange, value: Value | undefined, deadlineMs: number, version: number): void {
    const staged = this.#staged;
    if (staged === undefined) return;
    const before = staged.get(key);
    const wasThere =
      before === undefined ? !this.#stagedFlush && this.#store.find(key) !== NONE : before.value !== undefined;
    if (wasThere !== (value !== undefined)) this.#stagedSize += wasThere ? -1 : 1;
    staged.set(key, value, deadlineMs, version);
  }

  stageFlush(): void {
    this.#staged?.clear();
    this.#stagedFlush = true;
    this.#stagedSize = 0;
  }

  endStaging(): void {
    this.#lastBytes = NOTHING;
    this.#staged = undefined;
    this.#stagedFlush = false;
    this.#stagedSize = 0;
  }
}

function startsWith(key: ByteRange, prefix: ByteRange | undefined): boolean {
  if (prefix === undefined) return true;
  const length = prefix.end - prefix.start;
  if (key.end - key.start < length) return false;
  for (let i = 0; i < length; i++) {
    if (key.bytes[key.start + i] !== prefix.bytes[prefix.start + i]) return false;
  }
  return true;
}
