import { describe, expect, it } from "vitest";
import { DataNode, REPLICATION_ID } from "../../test/data-node.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { TAG_BYTES } from "../state/value.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import { crc32 } from "../structures/crc32.ts";
import type { EpochHistory } from "./epochs.ts";
import { type FileHandle, readWhole } from "./file-system.ts";
import { loadIdentity } from "./identity.ts";
import { listSegments } from "./log-file-reader.ts";
import type { LogRecord } from "./log-record.ts";
import { KIND_MARK, RECORD_HEADER_BYTES, readRecord, recordBytesAt, WrittenBytes, writeRecord } from "./log-record.ts";
import { LogDamage, type RecoveredLog, recoverLog } from "./log-recovery.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

const NO_OPERATIONS = new WrittenBytes(new Uint8Array(0));

const PATH = "data";

/** A log on a disk in memory that can be damaged and read. */
class DamagedLog {
  readonly files = new MemoryFileSystem();
  readonly history: EpochHistory;
  readonly #contents = new Map<string, Uint8Array>();

  private constructor(history: EpochHistory) {
    this.history = history;
  }

  /** What `write` leaves on the disk of a node that is killed afterwards. */
  static async of(
    write: (node: DataNode) => Promise<void>,
    { segmentBytes = 4096, isClosed = false } = {},
  ): Promise<DamagedLog> {
    const files = new MemoryFileSystem();
    const node = await DataNode.open({ path: PATH, files, segmentBytes });
    await write(node);
    if (isClosed) await node.close();
    else await node.kill();
    const identity = await loadIdentity(files, PATH);
    if (identity === undefined || typeof identity === "string") throw new Error("no identity");
    const log = new DamagedLog(identity.history);
    for (const { name } of await listSegments(files, PATH)) {
      log.#contents.set(name, (await readWhole(files, `${PATH}/${name}`)) ?? new Uint8Array(0));
    }
    await log.reset();
    return log;
  }

  get names(): string[] {
    return [...this.#contents.keys()];
  }

  get lastName(): string {
    return this.names[this.names.length - 1];
  }

  /** Undamaged. */
  bytesOf(name: string): Uint8Array {
    return this.#contents.get(name) ?? new Uint8Array(0);
  }

  /** Where records begin in a segment, in order, and where the last ends. */
  placesIn(name: string): { readonly at: number; readonly record: LogRecord }[] {
    const bytes = this.bytesOf(name);
    const places = [];
    for (let at = SEGMENT_HEADER_BYTES; at < bytes.length && recordBytesAt(bytes, at) !== 0; ) {
      places.push({ at, record: readRecord(bytes, at) });
      at += recordBytesAt(bytes, at);
    }
    return places;
  }

  async reset(): Promise<void> {
    for (const path of this.files.paths) await this.files.remove(path);
    for (const [name, bytes] of this.#contents) await this.put(name, bytes);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.files.remove(`${PATH}/${name}`);
    const file = await this.files.open(`${PATH}/${name}`, "create");
    await file.write(bytes, 0);
    await file.close();
  }

  /** The log with one of its files changed. */
  async with(name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): Promise<void> {
    const bytes = this.bytesOf(name).slice();
    await this.reset();
    await this.put(name, change(bytes) ?? bytes);
  }

  /** The last offsets of the records that are applied, in order. */
  async recover(fromOffset?: number, history = this.history): Promise<RecoveredLog & { readonly offsets: number[] }> {
    const offsets: number[] = [];
    const recovered = await recoverLog({
      files: this.files,
      directory: PATH,
      history,
      replicationId: REPLICATION_ID,
      fromOffset: fromOffset ?? this.history.epochs[0].firstOffset - 1,
      durableOffset: 0,
      apply: ({ firstOffset, count }) => offsets.push(firstOffset + count - 1),
      onProgress: () => undefined,
    });
    return { ...recovered, offsets };
  }

  /** Why it is refused; undefined where it is not. */
  async refusal(history = this.history): Promise<string | undefined> {
    try {
      await this.recover(undefined, history);
      return undefined;
    } catch (error) {
      if (error instanceof LogDamage) return error.message;
      throw error;
    }
  }
}

/** Five records, each acknowledged before the next. */
async function five(node: DataNode): Promise<void> {
  for (let i = 0; i < 5; i++) await node.acknowledged(`key ${i}`, "v".repeat(20 * i));
}

async function group(node: DataNode, count: number, bytes = 20): Promise<void> {
  for (let i = 0; i < count; i++) node.put(`of a group ${i}`, "v".repeat(bytes));
  await node.durable();
}

function zeroed(bytes: Uint8Array, from: number, to = bytes.length): Uint8Array {
  return bytes.fill(0, from, to);
}

/** Whether `found` is the beginning of `all`. */
function expectPrefix(found: readonly number[], all: readonly number[], atLeast: number, where: string): void {
  if (found.length >= atLeast && found.every((offset, i) => offset === all[i])) return;
  expect(found, where).toEqual(all.slice(0, Math.max(found.length, atLeast)));
}

const REFUSAL = /^the log is damaged: data\/log-\d{16}\.synap at byte \d+, after offset \d+: .*Start from a copy/;

describe("what stands at the end of the log", () => {
  it("is nothing, where it ended in order", async () => {
    for (const isClosed of [false, true]) {
      const log = await DamagedLog.of(five, { isClosed });
      const { offsets, cut, tail } = await log.recover();
      expect([offsets.length, cut, tail?.name]).toEqual([5, undefined, log.lastName]);
    }
  });

  it("is cut where the last record ends early, at any byte: as a shorter file, or with zeros behind", async () => {
    const log = await DamagedLog.of(five);
    const all = (await log.recover()).offsets;
    const bytes = log.bytesOf(log.lastName);
    const places = log.placesIn(log.lastName);
    const last = places[places.length - 1].at;
    const end = last + recordBytesAt(bytes, last);
    for (let cut = last; cut < end; cut++) {
      await log.with(log.lastName, (each) => each.subarray(0, cut));
      expect((await log.recover()).offsets, `a file of ${cut} bytes`).toEqual(all.slice(0, 4));
      await log.with(log.lastName, (each) => zeroed(each, cut));
      const { offsets } = await log.recover();
      // The record may end in zeros of its own.
      expectPrefix(offsets, all, bytes.subarray(cut, end).some((byte) => byte !== 0) ? 4 : 5, `zeros from ${cut}`);
    }
  });

  it("is refused where a record before the last ends early", async () => {
    const log = await DamagedLog.of(five);
    const places = log.placesIn(log.lastName);
    const bytes = log.bytesOf(log.lastName);
    for (const { at } of places.slice(0, -1)) {
      const next = at + recordBytesAt(bytes, at);
      for (let cut = at; cut < next - 1; cut++) {
        await log.with(log.lastName, (each) => zeroed(each, cut, next));
        expect(await log.refusal(), `zeros from ${cut}`).toMatch(REFUSAL);
      }
    }
  });

  it("is cut off with its group, whichever of the sectors it was written to are missing", async () => {
    const sector = 512;
    const log = await DamagedLog.of(async (node) => {
      await five(node);
      await group(node, 12, 200);
    });
    const all = (await log.recover()).offsets;
    const bytes = log.bytesOf(log.lastName);
    const places = log.placesIn(log.lastName);
    const begin = places[5].at;
    const end = places[places.length - 1].at + recordBytesAt(bytes, places[places.length - 1].at);
    const first = Math.ceil(begin / sector);
    const count = Math.ceil(end / sector) - first;
    expect(count).toBeGreaterThan(5);
    for (let missing = 1; missing < 2 ** count; missing++) {
      await log.with(log.lastName, (each) => {
        for (let i = 0; i < count; i++) {
          if ((missing & (1 << i)) !== 0) each.fill(0, (first + i) * sector, (first + i + 1) * sector);
        }
        return each;
      });
      const { offsets } = await log.recover();
      expectPrefix(offsets, all, 5, `sectors ${missing.toString(2)}`);
      expect(offsets.length).toBeLessThan(all.length);
      // What was cut is gone for good.
      const again = await log.recover();
      expect([again.offsets, again.cut]).toEqual([offsets, undefined]);
    }
  });

  it("is kept beside the log, and its place is zeros then", async () => {
    const log = await DamagedLog.of(five);
    const places = log.placesIn(log.lastName);
    const { at } = places[4];
    await log.with(log.lastName, (each) => {
      each[at + RECORD_HEADER_BYTES] ^= 0xff;
      return each;
    });
    const { cut, nextOffset } = await log.recover();
    expect(cut).toMatchObject({ name: log.lastName, at, problem: "its checksum is wrong" });
    expect(cut?.keptIn).toBe(`cut-${nextOffset.toString().padStart(16, "0")}.bytes`);
    const kept = await readWhole(log.files, `${PATH}/${cut?.keptIn}`);
    const damaged = log.bytesOf(log.lastName).slice(at, at + (cut?.bytes ?? 0));
    damaged[RECORD_HEADER_BYTES] ^= 0xff;
    expect(kept).toEqual(damaged);
    const segment = await readWhole(log.files, `${PATH}/${log.lastName}`);
    expect(segment?.subarray(at).every((byte) => byte === 0)).toBe(true);
  });
});

describe("every bit of a segment", () => {
  const variants: readonly (readonly [
    name: string,
    write: (node: DataNode) => Promise<void>,
    lastGroup: number,
    isClosed: boolean,
  ])[] = [
    ["that ends with a record", five, 1, false],
    ["that ends with a group of three", async (node) => five(node).then(() => group(node, 3)), 3, false],
    ["that was closed in order", async (node) => group(node, 3).then(() => five(node)), 0, true],
  ];

  it.each(variants)(
    "%s: a clean prefix with all but the last group, or a refusal",
    async (_name, write, lastGroup, isClosed) => {
      const log = await DamagedLog.of(write, { segmentBytes: 1024, isClosed });
      expect(log.names).toHaveLength(1);
      const all = (await log.recover()).offsets;
      const bytes = log.bytesOf(log.lastName);
      const places = log.placesIn(log.lastName).filter(({ record }) => record.kind !== KIND_MARK);
      const lastGroupAt = lastGroup === 0 ? bytes.length : places[places.length - lastGroup].at;
      let refused = 0;
      let shortened = 0;
      for (let at = 0; at < bytes.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          await log.with(log.lastName, (each) => {
            each[at] ^= 1 << bit;
            return each;
          });
          try {
            const { offsets } = await log.recover();
            expectPrefix(
              offsets,
              all,
              at < lastGroupAt ? all.length : all.length - lastGroup,
              `bit ${bit} of byte ${at}`,
            );
            if (offsets.length < all.length) shortened++;
          } catch (error) {
            if (!(error instanceof LogDamage)) throw error;
            if (!REFUSAL.test(error.message)) expect(error.message, `bit ${bit} of byte ${at}`).toMatch(REFUSAL);
            refused++;
          }
        }
      }
      expect(refused).toBeGreaterThan(lastGroupAt === bytes.length ? 2000 : lastGroupAt * 6);
      expect(shortened > 0).toBe(lastGroup > 0);
    },
  );
});

describe("the start is refused", () => {
  const longLog = async (node: DataNode) => {
    for (let i = 0; i < 30; i++) await node.acknowledged(`key ${i}`, "v".repeat(500));
  };

  it("for damage in any segment but the last, torn or not", async () => {
    const log = await DamagedLog.of(longLog);
    expect(log.names.length).toBeGreaterThan(3);
    for (const name of log.names.slice(0, -1)) {
      const places = log.placesIn(name);
      for (const at of [0, 5, 20, places[0].at + 12, places[places.length - 1].at + 100]) {
        await log.with(name, (each) => {
          each[at] ^= 4;
          return each;
        });
        expect(await log.refusal(), `${name} at ${at}`).toMatch(REFUSAL);
      }
      await log.with(name, (each) => zeroed(each, places[places.length - 1].at));
      expect(await log.refusal(), `${name} without its last record`).toMatch(REFUSAL);
    }
  });

  it("where a segment is missing, wherever it is missed", async () => {
    const log = await DamagedLog.of(longLog);
    for (const name of log.names) {
      await log.reset();
      await log.files.remove(`${PATH}/${name}`);
      const refusal = await log.refusal();
      if (name === log.lastName) continue;
      expect(refusal, name).toMatch(/begins (with|at)/);
    }
    // Without the last, all that remains of it is what a mark says.
    const marked = await DamagedLog.of(async (node) => {
      await longLog(node);
      node.log.appendMark();
      await node.durable();
    });
    const placesOfLast = marked.placesIn(marked.lastName);
    await marked.with(marked.lastName, (each) => {
      const mark = placesOfLast[placesOfLast.length - 1];
      const markBytes = each.slice(mark.at, mark.at + RECORD_HEADER_BYTES);
      zeroed(each, placesOfLast[placesOfLast.length - 2].at);
      each.set(markBytes, placesOfLast[placesOfLast.length - 2].at);
      return each;
    });
    expect(await marked.refusal()).toContain("does not follow");
  });

  it("where the whole last segment is zeros: nothing that runs leaves one behind", async () => {
    const log = await DamagedLog.of(longLog);
    await log.with(log.lastName, (each) => zeroed(each, 0));
    expect(await log.refusal()).toContain("at byte 0");
  });

  it("for another log's segment, and one under another's name", async () => {
    const log = await DamagedLog.of(longLog);
    const other = await DamagedLog.of(longLog);
    await log.with(log.names[1], (each) => {
      each[30] ^= 1;
      new DataView(each.buffer).setUint32(60, crc32(each, 0, 60), true);
      return each;
    });
    expect(await log.refusal()).toContain("belongs to another log");
    await log.with(log.names[1], () => other.bytesOf(other.names[2]));
    expect(await log.refusal()).toContain("its header belongs to another segment");
  });

  it("for a record of another version, also as the last one", async () => {
    const log = await DamagedLog.of(five);
    const places = log.placesIn(log.lastName);
    for (const { at } of places) {
      await log.with(log.lastName, (each) => {
        each[at + 8] = 3;
        new DataView(each.buffer).setUint32(at + 4, crc32(each, at + 8, at + recordBytesAt(each, at)), true);
        return each;
      });
      expect(await log.refusal()).toContain("its format has version 3, and this server knows 1 and 2");
    }
  });

  it("for a record of a kind or an epoch that nobody knows", async () => {
    const log = await DamagedLog.of(five);
    const places = log.placesIn(log.lastName);
    const { at, record } = places[4];
    const last = { firstOffset: record.firstOffset, durableOffset: record.durableOffset, count: 1 };
    await log.with(log.lastName, (each) => {
      writeRecord(each, at, { ...last, kind: 3, epoch: 1 }, new WrittenBytes(record.operations));
      return each;
    });
    expect(await log.refusal()).toContain("unknown kind 3");
    await log.with(log.lastName, (each) => {
      writeRecord(each, at, { ...last, kind: 1, epoch: 2 }, new WrittenBytes(record.operations));
      return each;
    });
    expect(await log.refusal()).toContain("of epoch 2 does not follow");
  });

  it("where the snapshot ends inside a record", async () => {
    const log = await DamagedLog.of(async (node) => {
      await node.acknowledged("a", "1");
      node.commit((writer) => {
        writer.flush();
        writer.flush();
      });
      await node.durable();
    });
    const [first, second] = log.placesIn(log.lastName);
    expect((await log.recover(first.record.firstOffset)).offsets).toHaveLength(1);
    await expect(log.recover(second.record.firstOffset)).rejects.toThrow("inside the record at");
  });
});

describe("a log and a snapshot", () => {
  it("meet: what the snapshot has is not applied again", async () => {
    const log = await DamagedLog.of(async (node) => {
      for (let i = 0; i < 30; i++) await node.acknowledged(`key ${i}`, "v".repeat(500));
    });
    const all = (await log.recover()).offsets;
    for (const [i, offset] of all.entries()) {
      const { offsets, nextOffset, tail } = await log.recover(offset);
      expect([offsets, nextOffset]).toEqual([all.slice(i + 1), all[all.length - 1] + 1]);
      await tail?.file.close();
    }
  });

  it("need not: where the snapshot is ahead, the log goes on behind it, in a segment of its own", async () => {
    const log = await DamagedLog.of(five);
    const ahead = log.history.current.firstOffset + 100;
    const { offsets, nextOffset, tail } = await log.recover(ahead);
    expect([offsets, nextOffset, tail]).toEqual([[], ahead + 1, undefined]);
  });

  it("are refused where the log begins behind it", async () => {
    const log = await DamagedLog.of(five);
    const before = log.history.current.firstOffset - 10;
    await expect(log.recover(before)).rejects.toThrow(`the best ends at ${before}`);
  });
});

it("says which record could not be applied", async () => {
  const log = await DamagedLog.of(five);
  const places = log.placesIn(log.lastName);
  const bug = new Error("found another version");
  const recovering = recoverLog({
    files: log.files,
    directory: PATH,
    history: log.history,
    replicationId: REPLICATION_ID,
    fromOffset: log.history.epochs[0].firstOffset - 1,
    durableOffset: 0,
    apply: ({ firstOffset }) => {
      if (firstOffset === places[2].record.firstOffset) throw bug;
    },
    onProgress: () => undefined,
  });
  await expect(recovering).rejects.toMatchObject({
    message: `data/${log.lastName}: the record at byte ${places[2].at}, offset ${places[2].record.firstOffset}, cannot be applied`,
    cause: bug,
  });
});

describe("what clients have sent", () => {
  /** A record of the log in the middle of a value. */
  function forged(firstOffset: number, durableOffset: number, epoch = 1): Uint8Array {
    const bytes = new Uint8Array(300).fill(118);
    writeRecord(bytes, 100, { kind: KIND_MARK, firstOffset, durableOffset, epoch, count: 0 }, NO_OPERATIONS);
    return bytes;
  }

  it.each([
    ["of an offset that no log comes to", () => forged(2 ** 47, 2 ** 47 - 1)],
    ["that names its own offset", (next: number) => forged(next, next)],
    ["of an epoch that never was", (next: number) => forged(next + 1, next, 9)],
  ])("is not taken for a record %s: a torn tail is cut all the same", async (_name, forge) => {
    let next = 0;
    const log = await DamagedLog.of(async (node) => {
      await node.acknowledged("first", "1");
      next = node.log.nextOffset;
      const value = forge(next);
      node.commit((writer) => writer.put(rangeOf("torn"), TAG_BYTES, new ByteRange(value, 0, value.length), 0));
      await node.durable();
    });
    const torn = log.placesIn(log.lastName)[1];
    await log.with(log.lastName, (bytes) => void bytes.fill(0, torn.at, torn.at + 40));
    const { cut, nextOffset } = await log.recover();
    expect([cut?.at, nextOffset]).toEqual([torn.at, next]);
  });

  /** Heads of records that would reach to the end of the value, one behind the other, and are whole but for their checksums. */
  function headsOfRecords(firstOffset: number): Uint8Array {
    const bytes = new Uint8Array(2 ** 20);
    for (let at = 0; at < 300 * RECORD_HEADER_BYTES; at += RECORD_HEADER_BYTES) {
      const mark = { kind: KIND_MARK, firstOffset, durableOffset: firstOffset - 1, epoch: 1, count: 0 };
      writeRecord(bytes, at, mark, NO_OPERATIONS);
      new DataView(bytes.buffer).setUint32(at, bytes.length - at, true);
    }
    return bytes;
  }

  it.each([
    ["in the epoch that is going on", (history: EpochHistory) => history],
    // What comes next lies behind the gap then: to name the offset before that is to name nothing that is missing.
    ["where the next epoch has begun", (history: EpochHistory, next: number) => history.next(next - 1, next + 1000)],
  ])("is refused where it looks like more records than can be checked, %s", async (_name, historyOf) => {
    let next = 0;
    const log = await DamagedLog.of(
      async (node) => {
        await node.acknowledged("first", "1");
        next = node.log.nextOffset;
        const value = headsOfRecords(next + 2000);
        node.commit((writer) => writer.put(rangeOf("torn"), TAG_BYTES, new ByteRange(value, 0, value.length), 0));
        await node.durable();
      },
      { segmentBytes: 2 ** 21 },
    );
    const torn = log.placesIn(log.lastName)[1];
    await log.with(log.lastName, (bytes) => void bytes.fill(0, torn.at, torn.at + 40));
    expect(await log.refusal(historyOf(log.history, next))).toMatch(REFUSAL);
  });
});

describe("what no record names as durable", () => {
  /** Where bytes were written to segments. */
  class WrittenFileSystem extends MemoryFileSystem {
    readonly written: { readonly at: number; readonly bytes: number }[] = [];

    override async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
      const file = await super.open(path, mode);
      const write = file.write.bind(file);
      file.write = (bytes, position) => {
        if (mode === "write") this.written.push({ at: position, bytes: bytes.length });
        return write(bytes, position);
      };
      return file;
    }
  }

  function recover(files: WrittenFileSystem, log: DamagedLog) {
    return recoverLog({
      files,
      directory: PATH,
      history: log.history,
      replicationId: REPLICATION_ID,
      fromOffset: log.history.epochs[0].firstOffset - 1,
      durableOffset: 0,
      apply: () => undefined,
      onProgress: () => undefined,
    });
  }

  it("is written again before it is shown: after a failed sync the cache may not tell the truth", async () => {
    const log = await DamagedLog.of(five);
    const places = log.placesIn(log.lastName);
    const last = places[places.length - 1];
    const end = last.at + RECORD_HEADER_BYTES + last.record.operations.length;
    const files = new WrittenFileSystem();
    const file = await files.open(`${PATH}/${log.lastName}`, "create");
    await file.write(log.bytesOf(log.lastName), 0);
    await recover(files, log);
    const [again] = files.written;
    expect([files.written.length, again.at <= last.at, again.at + again.bytes]).toEqual([1, true, end]);
    expect(await readWhole(files, `${PATH}/${log.lastName}`)).toEqual(log.bytesOf(log.lastName));
  });

  it("is nothing in a log that was closed, and nothing is written", async () => {
    const log = await DamagedLog.of(five, { isClosed: true });
    const files = new WrittenFileSystem();
    const file = await files.open(`${PATH}/${log.lastName}`, "create");
    await file.write(log.bytesOf(log.lastName), 0);
    await recover(files, log);
    expect(files.written).toEqual([]);
  });
});
