/**
 * Every record that any node has written, by the epoch it was written in, as somebody would know them who saw all nodes at
 * once. A node's log is a path through it:
 *
 *     epoch 1  [r][r][r][r][r][r]            what the old master wrote behind the promotion is on no path of the new one
 *     epoch 2        '-----[r][r][r]
 *
 * It checks what must hold of logs alone: a replica has the records of its master, byte for byte, nobody writes other content
 * at an offset that somebody has made durable or has been shown, and an epoch begins at one place only.
 */
import type { EpochHistory } from "../../src/oplog/epochs.ts";
import type { LogRecord } from "../../src/oplog/log-record.ts";
import { OP_FLUSH, Operation, QUEUE_KIND_MIN } from "../../src/state/operation.ts";
import type { StateMachine } from "../../src/state/state-machine.ts";
import { ByteRange } from "../../src/structures/byte-range.ts";
import { emptyState } from "./empty-state.ts";
import { Finding } from "./finding.ts";

/** What clients put into their writes, to find it again: `~client.number~`. */
export const TOKEN = /~\d+\.\d+~/g;

export interface WrittenRecord {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly operations: Buffer;
  /** By the clock of who wrote it. */
  readonly atMs: number;
  readonly tokens: readonly string[];
}

export class WrittenEpoch {
  readonly key: string;
  readonly epoch: number;
  readonly firstOffset: number;
  readonly previousEnd: number;
  readonly records: WrittenRecord[] = [];
  /** The last offset that any process has let out of itself. */
  shownOffset = 0;
  /** How often its end was taken back. */
  cuts = 0;
  /** When keys changed; an empty name stands for all of them. */
  readonly #changes = new Map<string, number[]>();
  readonly #byToken = new Map<string, WrittenRecord[]>();

  constructor(key: string, { epoch, firstOffset, previousEnd }: EpochHistory["current"]) {
    this.key = key;
    this.epoch = epoch;
    this.firstOffset = firstOffset;
    this.previousEnd = previousEnd;
  }

  get lastOffset(): number {
    return this.records.at(-1)?.lastOffset ?? this.firstOffset - 1;
  }

  add(record: WrittenRecord): void {
    this.records.push(record);
    for (const token of record.tokens) {
      const records = this.#byToken.get(token);
      if (records === undefined) this.#byToken.set(token, [record]);
      else records.push(record);
    }
    const operation = new Operation(new ByteRange(NOTHING, 0, 0), new ByteRange(NOTHING, 0, 0));
    const { operations } = record;
    let offset = record.firstOffset;
    for (let at = 0; at < operations.length && operations[at] < QUEUE_KIND_MIN; offset++) {
      at = operation.read(operations, at, operations.length);
      const key = operation.kind === OP_FLUSH ? "" : operation.key.toString();
      const offsets = this.#changes.get(key);
      if (offsets === undefined) this.#changes.set(key, [offset]);
      else offsets.push(offset);
    }
  }

  /** The last offset up to `end` that changed the key; 0 for none. */
  lastChange(key: string, end: number): number {
    let last = 0;
    for (const name of [key, ""]) {
      const found = this.#changes.get(name)?.findLast((offset) => offset <= end);
      last = Math.max(last, found ?? 0);
    }
    return last;
  }

  /** The first record that has the token. */
  withToken(token: string): WrittenRecord | undefined {
    return this.#byToken.get(token)?.[0];
  }

  countWithToken(token: string, end: number): number {
    return this.#byToken.get(token)?.filter(({ firstOffset }) => firstOffset <= end).length ?? 0;
  }

  /** The record at this offset, which begins or ends with it or holds it. */
  at(offset: number): WrittenRecord | undefined {
    let [low, high] = [0, this.records.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.records[middle].lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    const record = this.records.at(low);
    return record !== undefined && record.firstOffset <= offset ? record : undefined;
  }

  /** Forgets what a crash has taken back before anybody had it. */
  cutBehind(offset: number): void {
    this.cuts++;
    while (this.lastOffset > offset && this.records.length > 0) {
      const record = this.records.pop();
      for (const token of record?.tokens ?? []) {
        const others = this.#byToken.get(token)?.filter((each) => each !== record) ?? [];
        this.#byToken.set(token, others);
      }
    }
    for (const [key, offsets] of this.#changes) {
      this.#changes.set(
        key,
        offsets.filter((each) => each <= offset),
      );
    }
  }
}

const NOTHING = new Uint8Array(0);

/** A part of a path: the records of an epoch up to `end`. */
export interface Stretch {
  readonly epoch: WrittenEpoch;
  readonly end: number;
}

/** The parts of a log that ends at `end`, in order. */
export function stretchesOf(path: readonly WrittenEpoch[], end: number): Stretch[] {
  // One that began behind a power failure may follow less than the one before it did.
  return path.map((epoch, i) => ({
    epoch,
    end: Math.min(end, ...path.slice(i + 1).map(({ previousEnd }) => previousEnd)),
  }));
}

export class LogHistory {
  readonly #epochs = new Map<string, WrittenEpoch>();
  readonly #replays: Replay[] = [];
  readonly #known = new WeakMap<EpochHistory, readonly WrittenEpoch[]>();

  get epochs(): readonly WrittenEpoch[] {
    return [...this.#epochs.values()];
  }

  /** The epochs of a log, oldest first; those that are new are told to `begun`, with the one before. */
  epochsOf(
    replicationId: string,
    history: EpochHistory,
    begun: (epoch: WrittenEpoch, before: WrittenEpoch | undefined) => void,
  ): readonly WrittenEpoch[] {
    const known = this.#known.get(history);
    if (known !== undefined) return known;
    const path: WrittenEpoch[] = [];
    for (const each of history.epochs) {
      const key = `${replicationId.slice(0, 8)}/${each.epoch}/${each.firstOffset}`;
      let epoch = this.#epochs.get(key);
      if (epoch === undefined) {
        epoch = new WrittenEpoch(key, each);
        this.#epochs.set(key, epoch);
        begun(epoch, path.at(-1));
      }
      if (epoch.previousEnd !== each.previousEnd) {
        throw new Finding("epoch", `epoch ${key} follows ${epoch.previousEnd}, and for some node ${each.previousEnd}`);
      }
      path.push(epoch);
    }
    this.#known.set(history, path);
    return path;
  }

  *records(path: readonly WrittenEpoch[], end: number): Generator<WrittenRecord> {
    for (const stretch of stretchesOf(path, end)) {
      for (const record of stretch.epoch.records) {
        if (record.firstOffset > stretch.end) break;
        yield record;
      }
    }
  }

  /** @param isWriter whether the node plans its own records; one that copies has none that are new. */
  appended(epoch: WrittenEpoch, record: LogRecord, by: { name: string; isWriter: boolean; nowMs: number }): void {
    const { firstOffset, count } = record;
    const written = epoch.at(firstOffset);
    if (written !== undefined) {
      const isSame = written.firstOffset === firstOffset && written.operations.equals(record.operations);
      if (isSame) return;
      throw new Finding(
        by.isWriter ? "offset reused" : "replica differs from its master",
        `${by.name} has another record at ${firstOffset} of epoch ${epoch.key} than was written there`,
      );
    }
    if (!by.isWriter) {
      throw new Finding(
        "replica differs from its master",
        `${by.name} has a record at ${firstOffset} of epoch ${epoch.key} that no master has written`,
      );
    }
    if (firstOffset !== epoch.lastOffset + 1) {
      throw new Finding(
        "offset reused",
        `${by.name} goes on at ${firstOffset} of ${epoch.key} behind ${epoch.lastOffset}`,
      );
    }
    for (const other of this.#epochs.values()) {
      if (other === epoch || other.records.length === 0) continue;
      if (firstOffset > other.lastOffset || firstOffset + count <= other.records[0].firstOffset) continue;
      throw new Finding(
        "offset reused",
        `${by.name} writes ${firstOffset} of ${epoch.key}, which ${other.key} has used`,
      );
    }
    const operations = Buffer.from(record.operations);
    const tokens = operations.toString("latin1").match(TOKEN) ?? [];
    const lastOffset = firstOffset + count - 1;
    epoch.add({ firstOffset, lastOffset, operations, atMs: by.nowMs, tokens: [...new Set(tokens)] });
  }

  /** The state that these records lead to. It is used again by the next call, and must not be changed. */
  replay(path: readonly WrittenEpoch[], end: number): StateMachine {
    const known = this.#replays.filter((replay) => replay.leadsTo(path, end));
    let replay = known.sort((a, b) => b.state.appliedOffset - a.state.appliedOffset).at(0);
    if (replay === undefined) {
      replay = new Replay(path);
      this.#replays.push(replay);
      if (this.#replays.length > REPLAYS_MAX) this.#replays.shift();
    }
    replay.goOn(path, end, this.records(path, end));
    return replay.state;
  }
}

/** A new state takes much memory for a moment, so that those that were replayed are kept. */
const REPLAYS_MAX = 3;

/** A state that has come to some place on some path. */
class Replay {
  readonly state: StateMachine;
  #path: readonly WrittenEpoch[];
  #cuts: number;

  constructor(path: readonly WrittenEpoch[]) {
    this.state = emptyState(path[0].firstOffset - 1);
    this.#path = path;
    this.#cuts = cutsOf(path);
  }

  leadsTo(path: readonly WrittenEpoch[], end: number): boolean {
    const { appliedOffset } = this.state;
    if (path[0] !== this.#path[0] || appliedOffset > end || this.#cuts !== cutsOf(this.#path)) return false;
    return this.#path.every((epoch, i) => {
      if (epoch !== path.at(i)) return epoch.firstOffset > appliedOffset;
      // What was applied of an epoch must not lie behind the end that it has on this path.
      return path.slice(i + 1).every((next) => this.#path.includes(next) || appliedOffset <= next.previousEnd);
    });
  }

  goOn(path: readonly WrittenEpoch[], end: number, records: Iterable<WrittenRecord>): void {
    const { state } = this;
    for (const { firstOffset, operations } of records) {
      if (firstOffset <= state.appliedOffset) continue;
      state.skipTo(firstOffset - 1);
      state.apply(operations, operations.length, firstOffset);
    }
    if (end > state.appliedOffset) state.skipTo(end);
    this.#path = path;
    this.#cuts = cutsOf(path);
  }
}

function cutsOf(path: readonly WrittenEpoch[]): number {
  return path.reduce((sum, { cuts }) => sum + cuts, 0);
}
