/**
 * What a command sees of the keys while it is planned: the store, without what is overdue, through the effects that the
 * same record has staged so far.
 *
 * Most records stage one operation and look nothing up afterwards, so the overlay exists only once it is needed:
 * `Planner` fills it from the operations already written when a second look-up comes.
 */
import { ByteRange, compareRanges, copyRange } from "../structures/byte-range.ts";
import { type KeyStore, NONE, PRIME_COUNT_MAX } from "./key-store.ts";
import { TAG_TEXT, Value, type ValueTag } from "./value.ts";

const NOTHING = new Uint8Array(0);

/** One key as found. Reused: valid until the next look-up, its value also only until the next operation is applied. */
export class KeyEntry {
  readonly value = new Value(TAG_TEXT, NOTHING, 0, 0);
  version = 0;
  /** 0 for none. */
  deadlineMs = 0;
  /** The record in the store, or `NONE` where the entry is only staged. */
  ref = NONE;
}

/** What a record being planned has made of a key. */
export interface StagedKey {
  readonly key: ByteRange;
  /** `undefined` where the key was removed. */
  readonly value: Value | undefined;
  readonly deadlineMs: number;
  readonly version: number;
}

export class KeyView {
  readonly #store: KeyStore;
  readonly #entry = new KeyEntry();
  readonly #scanned = new ByteRange(NOTHING, 0, 0);
  #staged: Map<string, StagedKey> | undefined;
  #stagedFlush = false;
  /** The instant this view shows; set once per message. */
  nowMs = 0;
  /** Whether the last `find` or `peek` met a key whose deadline has passed and hid it. */
  metOverdue = false;

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
    if (this.#staged !== undefined) {
      const staged = this.#staged.get(nameOf(key));
      if (staged !== undefined) return this.#fromStaged(staged);
      if (this.#stagedFlush) return undefined;
    }
    const ref = this.#store.find(key);
    if (ref === NONE) return undefined;
    const deadlineMs = this.#store.deadlineMsOf(ref);
    if (deadlineMs !== 0 && deadlineMs <= this.nowMs) {
      this.metOverdue = true;
      return undefined;
    }
    const entry = this.#entry;
    this.#store.readValue(ref, entry.value);
    entry.version = this.#store.versionOf(ref);
    entry.deadlineMs = deadlineMs;
    entry.ref = ref;
    return entry;
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
    let size = this.#stagedFlush ? 0 : this.#store.size;
    if (this.#staged !== undefined) {
      for (const { key, value } of this.#staged.values()) {
        const stored = !this.#stagedFlush && this.#store.find(key) !== NONE;
        if (value !== undefined && !stored) size++;
        if (value === undefined && stored) size--;
      }
    }
    return size;
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
    const staged = this.#stagedAfter(after, prefix);
    let next = 0;
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
    while (!stopped && next < staged.length) stopped = !visitStaged(staged[next++]);
  }

  #visitStored(ref: number, visit: (key: ByteRange, entry: KeyEntry) => boolean): boolean {
    const deadlineMs = this.#store.deadlineMsOf(ref);
    if (deadlineMs !== 0 && deadlineMs <= this.nowMs) return true;
    const entry = this.#entry;
    this.#store.readValue(ref, entry.value);
    entry.version = this.#store.versionOf(ref);
    entry.deadlineMs = deadlineMs;
    entry.ref = ref;
    return visit(this.#scanned, entry);
  }

  #stagedAfter(after: ByteRange | undefined, prefix: ByteRange | undefined): StagedKey[] {
    if (this.#staged === undefined) return [];
    return [...this.#staged.values()]
      .filter(({ key }) => (after === undefined || compareRanges(key, after) > 0) && startsWith(key, prefix))
      .sort((a, b) => compareRanges(a.key, b.key));
  }

  /**
   * A key that is there, about uniformly chosen; `undefined` when none was met. Staged keys are left out of the draw.
   * @param random draws from [0, 1).
   */
  random(random: () => number): ByteRange | undefined {
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
    this.#staged ??= new Map();
  }

  get staging(): boolean {
    return this.#staged !== undefined;
  }

  /** Whether the record being planned has touched `key`. */
  isStaged(key: ByteRange): boolean {
    return this.#staged?.has(nameOf(key)) ?? false;
  }

  stagePut(key: ByteRange, tag: ValueTag, value: ByteRange, deadlineMs: number, version: number): void {
    const staged = new Value(tag, value.bytes, value.start, value.end);
    this.#staged?.set(nameOf(key), { key: copyRange(key), value: staged, deadlineMs, version });
  }

  stageRemove(key: ByteRange): void {
    this.#staged?.set(nameOf(key), { key: copyRange(key), value: undefined, deadlineMs: 0, version: 0 });
  }

  stageFlush(): void {
    this.#staged?.clear();
    this.#stagedFlush = true;
  }

  endStaging(): void {
    this.#staged = undefined;
    this.#stagedFlush = false;
  }
}

/** One string per key: each byte a char, so that no two keys share one. */
function nameOf(key: ByteRange): string {
  return Buffer.from(key.bytes.buffer, key.bytes.byteOffset + key.start, key.end - key.start).toString("latin1");
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
