import { describe, expect, test } from "vitest";
import { rangeOf } from "../structures/byte-range.ts";
import { OperationWriter } from "./operation.ts";
import { RememberedReply, ReplyCursor } from "./remembered-reply.ts";
import {
  REPLY_JSON,
  REPLY_MSGPACK,
  type ReplyFormat,
  ROW_MSGPACK,
  writeForgetReplies,
  writeRemember,
} from "./reply-operation.ts";
import { NO_HASH, ReplyRow } from "./reply-row.ts";
import { ReplyStore } from "./reply-store.ts";

const HASH = "0123456789abcdef";

/** A store and the operations that made it what it is. */
class ReplyLog {
  readonly store = new ReplyStore({ hashSeed: 7, pageBytes: 4096 });
  offset = 0;

  remember(id: string, reply = id, { expiresAtMs = 1000, drops = 0, format = REPLY_JSON as ReplyFormat } = {}): void {
    const entry = { id: rangeOf(id), hash: rangeOf(HASH), reply: rangeOf(reply), format, expiresAtMs };
    this.apply((writer) => writeRemember(writer, entry, drops));
  }

  apply(write: (writer: OperationWriter) => void, cutBytes = 0): void {
    const writer = new OperationWriter();
    write(writer);
    const next = this.store.apply(writer.bytes, 0, writer.length - cutBytes, ++this.offset);
    expect(next).toBe(writer.length);
  }

  find(id: string, nowMs = 0): string | undefined {
    const entry = new RememberedReply();
    return this.store.find(rangeOf(id), nowMs, entry) ? entry.reply.toString() : undefined;
  }

  /** Ids of the replies that a walk from here shows, up to so many. */
  walk(cursor: ReplyCursor, limit = 1_000_000): string[] {
    const ids: string[] = [];
    while (ids.length < limit && this.store.advance(cursor)) ids.push(cursor.entry.id.toString());
    return ids;
  }
}

describe("a remembered reply", () => {
  test("is found by its id with all that was said of it", () => {
    const log = new ReplyLog();
    log.remember("a", "first", { expiresAtMs: 2 ** 40, format: REPLY_MSGPACK });
    log.remember("b", "second");
    const entry = new RememberedReply();
    expect(log.store.find(rangeOf("a"), 0, entry)).toBe(true);
    expect(entry).toMatchObject({ format: REPLY_MSGPACK, expiresAtMs: 2 ** 40, position: 1 });
    expect([entry.id, entry.hash, entry.reply].map(String)).toEqual(["a", HASH, "first"]);
    expect(log.find("c")).toBeUndefined();
    expect(log.find("")).toBeUndefined();
    log.store.checkInvariants();
  });

  test("is hidden from its expiry on, though it is there until it is forgotten", () => {
    const log = new ReplyLog();
    log.remember("a", "x", { expiresAtMs: 1000 });
    expect(log.find("a", 999)).toBe("x");
    expect(log.find("a", 1000)).toBeUndefined();
    expect(log.store.count).toBe(1);
  });

  test("gives way to a newer one of the same request, also when the older one goes", () => {
    const log = new ReplyLog();
    log.remember("a", "old", { expiresAtMs: 10 });
    log.remember("b");
    log.remember("a", "new", { expiresAtMs: 30 });
    // Grown and shrunk again, so that the chains have been cut and put together.
    for (let i = 0; i < 100; i++) log.remember(`more ${i}`);
    expect(log.find("a", 20)).toBe("new");
    log.apply((writer) => writeForgetReplies(writer, 1));
    expect(log.find("a", 20)).toBe("new");
    log.apply((writer) => writeForgetReplies(writer, 2));
    expect(log.find("a", 20)).toBeUndefined();
    log.store.checkInvariants();
  });

  test("of a row is found by its place in it, in whichever of the rows of that id it is", () => {
    const log = new ReplyLog();
    const row = new ReplyRow();
    const remember = (replies: Readonly<Record<number, string>>, expiresAtMs: number) => {
      row.reset();
      for (const [place, reply] of Object.entries(replies)) {
        const hashAt = row.add(Number(place), rangeOf(reply));
        row.range.bytes.set(rangeOf(`${place}`.padEnd(16, "#")).bytes, hashAt);
      }
      const entry = { id: rangeOf("a"), hash: NO_HASH, reply: row.range, format: ROW_MSGPACK, expiresAtMs } as const;
      log.apply((writer) => writeRemember(writer, entry, 0));
    };
    const find = (place: number, nowMs = 0): string | undefined => {
      const entry = new RememberedReply();
      if (!log.store.findPlace(rangeOf("a"), place, nowMs, entry)) return undefined;
      expect(entry).toMatchObject({ format: ROW_MSGPACK });
      return `${entry.hash.toString().replace(/#+$/, "")} ${entry.reply.toString()}`;
    };
    expect([find(0), log.store.has(rangeOf("a"), 0)]).toEqual([undefined, false]);
    const long = "x".repeat(200_000);
    remember({ 0: "zero", 2: "", 63: long }, 10);
    log.remember("b");
    remember({ 1: "one" }, 20);
    expect([0, 1, 2, 3, 62, 63].map((place) => find(place))).toEqual([
      "0 zero",
      "1 one",
      "2 ",
      undefined,
      undefined,
      `63 ${long}`,
    ]);
    // The first row is overdue, and then known anew.
    expect([find(0, 10), find(1, 10), log.store.has(rangeOf("a"), 10)]).toEqual([undefined, "1 one", true]);
    remember({ 0: "again" }, 30);
    expect([find(0, 10), find(1, 20), log.store.has(rangeOf("a"), 30)]).toEqual(["0 again", undefined, false]);
    log.store.checkInvariants();
  });

  test("may be empty, and larger than a page", () => {
    const log = new ReplyLog();
    const large = "x".repeat(3_000_000);
    log.remember("empty", "");
    log.remember("large", large);
    expect([log.find("empty"), log.find("large")]).toEqual(["", large]);
    log.store.checkInvariants();
  });
});

describe("forgetting", () => {
  test("takes the oldest and gives their bytes back to the last", () => {
    const log = new ReplyLog();
    for (const id of ["a", "b", "c"]) log.remember(id, "x".repeat(500));
    log.apply((writer) => writeForgetReplies(writer, 2));
    expect(["a", "b", "c"].map((id) => log.find(id) !== undefined)).toEqual([false, false, true]);
    log.remember("d", "d", { drops: 1 });
    expect(["c", "d"].map((id) => log.find(id) !== undefined)).toEqual([false, true]);
    log.apply((writer) => writeForgetReplies(writer, 1));
    expect([log.store.count, log.store.usedBytes, log.store.heldBytes]).toEqual([0, 0, 0]);
    log.store.checkInvariants();
  });

  test("of more than there are is a bug", () => {
    const log = new ReplyLog();
    log.remember("a");
    expect(() => log.apply((writer) => writeForgetReplies(writer, 2))).toThrow("forgets 2 replies of 1");
    expect(() => log.remember("b", "b", { drops: 2 })).toThrow("forgets 2 replies of 1");
  });

  test("is counted by time and by bytes", () => {
    const log = new ReplyLog();
    const { store } = log;
    log.remember("a", "x".repeat(100), { expiresAtMs: 10 });
    log.remember("b", "x".repeat(200), { expiresAtMs: 20 });
    log.remember("c", "x".repeat(300), { expiresAtMs: 30 });
    const [a, b, c] = [100, 200, 300].map((bytes) => store.bytesNeeded(1, bytes));
    expect(store.usedBytes).toBe(a + b + c);
    const everything = Number.MAX_SAFE_INTEGER;
    expect([9, 10, 20, 30].map((nowMs) => store.countDue(nowMs, everything, 100))).toEqual([0, 1, 2, 3]);
    expect(store.countDue(30, everything, 2)).toBe(2);
    expect([a + b + c, a + b + c - 1, b + c, b + c - 1, 0].map((bytes) => store.countDue(0, bytes, 100))).toEqual([
      0, 1, 1, 2, 3,
    ]);
    expect(store.dropsFor(a, a + b + c, 9)).toEqual({ count: 1, bytes: a });
    expect(store.dropsFor(a + 1, a + b + c, 9)).toEqual({ count: 2, bytes: a + b });
    expect(store.dropsFor(0, a + b + c, 9)).toEqual({ count: 0, bytes: 0 });
    expect(store.dropsFor(everything, 0, 9)).toEqual({ count: 3, bytes: a + b + c });
    expect(store.dropsFor(everything, 0, 2)).toEqual({ count: 2, bytes: a + b });
  });
});

describe("a walk", () => {
  test("shows the oldest first and goes on where it was, whatever has come and gone", () => {
    const log = new ReplyLog();
    for (const id of ["a", "b", "c", "d"]) log.remember(id);
    const cursor = new ReplyCursor();
    expect(log.walk(cursor, 2)).toEqual(["a", "b"]);
    log.remember("e");
    expect(log.walk(cursor, 1)).toEqual(["c"]);
    // The one it stands on goes, and comes again as a new one.
    log.apply((writer) => writeForgetReplies(writer, 3));
    log.remember("c");
    expect(log.walk(cursor)).toEqual(["d", "e", "c"]);
    expect(log.walk(cursor)).toEqual([]);
    log.remember("f", "f", { drops: 3 });
    expect(log.walk(cursor)).toEqual(["f"]);
    expect(log.walk(new ReplyCursor())).toEqual(["f"]);
    expect(new ReplyLog().walk(new ReplyCursor())).toEqual([]);
  });

  test("is enough to put the store together again", () => {
    const log = new ReplyLog();
    for (let i = 0; i < 50; i++) log.remember(`id ${i}`, "x".repeat(i * 20), { expiresAtMs: i });
    log.apply((writer) => writeForgetReplies(writer, 20));
    const restored = new ReplyStore({ hashSeed: 1 });
    const cursor = new ReplyCursor();
    while (log.store.advance(cursor)) restored.restore(cursor.entry);
    expect(restored.dump()).toEqual(log.store.dump());
    expect(restored.usedBytes).toBe(log.store.usedBytes);
    restored.checkInvariants();
    expect(() => restored.restore(cursor.entry)).toThrow("does not follow");
  });
});

describe("a record that ends too soon", () => {
  test("is refused", () => {
    const log = new ReplyLog();
    expect(() =>
      log.apply((writer) => {
        const entry = { id: rangeOf("a"), hash: rangeOf(HASH), reply: rangeOf("reply") };
        writeRemember(writer, { ...entry, format: REPLY_JSON, expiresAtMs: 1 }, 0);
      }, 1),
    ).toThrow("past its record");
    expect(() => log.store.apply(Uint8Array.of(98), 0, 1, 1)).toThrow("unknown operation kind 98");
  });
});
