/** The requests of a burst that are read together, so that the keys they begin with can be looked up together. Used again. */
import { COMPLETE, type ParseOutcome, type RespParser, SpanList } from "../codecs/resp/resp-parser.ts";
import { RespRequest } from "../codecs/resp/resp-request.ts";
import { PRIME_COUNT_MAX } from "../state/key-store.ts";
import { ByteRange } from "../structures/byte-range.ts";
import type { RespEntry, RespTable } from "./resp-table.ts";

const NOTHING = new Uint8Array(0);

/** Larger requests run by themselves: they may take their time. */
const ROW_REQUEST_BYTES_MAX = 1024;

/** A request of a group. */
export interface Slot {
  readonly request: RespRequest;
  entry: RespEntry | undefined;
  /** Behind the request. */
  end: number;
}

export class RequestGroup {
  /** Of which `count` have a request. */
  readonly slots: readonly Slot[] = Array.from({ length: PRIME_COUNT_MAX }, () => ({
    request: new RespRequest(),
    entry: undefined,
    end: 0,
  }));
  count = 0;
  /** Of the requests whose command looks one up, in their order; `keyCount` of them. */
  readonly keys: readonly ByteRange[] = Array.from({ length: PRIME_COUNT_MAX }, () => new ByteRange(NOTHING, 0, 0));
  keyCount = 0;
  readonly #table: RespTable;
  readonly #spans = new SpanList();
  /** Slots that hold something of the burst under way. */
  #slotsUsed = 0;

  constructor(table: RespTable) {
    this.#table = table;
  }

  /**
   * Reads up to `countMax` requests, at most `PRIME_COUNT_MAX`.
   * @returns why there are no more; `COMPLETE` where there may be.
   */
  read(parser: RespParser, bytes: Uint8Array, start: number, end: number, countMax: number): ParseOutcome {
    const { slots } = this;
    this.#spans.clear();
    this.keyCount = 0;
    let outcome: ParseOutcome = COMPLETE;
    let at = start;
    let count = 0;
    while (count < countMax) {
      const slot = slots[count];
      if (count >= this.#slotsUsed) this.#slotsUsed = count + 1;
      outcome = parser.next(bytes, at, end, slot.request, this.#spans);
      if (outcome !== COMPLETE) break;
      at = parser.at;
      slot.end = at;
      slot.entry = this.#table.find(slot.request);
      if (slot.entry?.primes === true && slot.request.count > 1) this.#addKey(slot.request);
      count++;
    }
    this.count = count;
    return outcome;
  }

  /**
   * How many requests from the number `first` on may run as a row: small ones for one command that looks a key up.
   * @param start where the first of them begins.
   */
  rowFrom(first: number, start: number, countMax: number): number {
    const { slots } = this;
    const { entry } = slots[first];
    if (entry?.primes !== true) return 1;
    const end = Math.min(first + countMax, this.count);
    let at = start;
    let i = first;
    while (i < end && slots[i].entry === entry && slots[i].end - at <= ROW_REQUEST_BYTES_MAX) at = slots[i++].end;
    return Math.max(1, i - first);
  }

  #addKey({ bytes, spans, first }: RespRequest): void {
    const key = this.keys[this.keyCount++];
    key.bytes = bytes;
    key.start = spans[first + 2];
    key.end = spans[first + 3];
  }

  /** Lets go of the burst's bytes: a large request has a buffer of its own, which would live until its slot is used again. */
  release(): void {
    for (let i = 0; i < this.#slotsUsed; i++) {
      this.slots[i].request.release();
      this.keys[i].bytes = NOTHING;
    }
    this.#slotsUsed = 0;
    this.#spans.clear();
  }
}
