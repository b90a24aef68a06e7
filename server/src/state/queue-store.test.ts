import { describe, expect, it } from "vitest";
import { type LoggedRecord, QueueLog, replay } from "../../test/queue-fixture.ts";
import { ByteRange, rangeOf } from "../structures/byte-range.ts";
import {
  OP_QUEUE_LAST,
  writeAck,
  writeBury,
  writeDeliver,
  writeDrop,
  writeExtend,
  writeForget,
  writeQueueCreate,
  writeQueueDelete,
  writeQueuePurge,
  writeReady,
  writeRequeue,
  writeRetry,
  writeRetryAll,
} from "./queue-operation.ts";
import {
  DEATH_EXPIRED,
  DEATH_NACKED,
  ENDED_NACKED,
  ENDED_NONE,
  ENDED_RELEASED,
  STATE_DEAD,
  STATE_DELAYED,
  STATE_PENDING,
  STATE_READY,
} from "./queue-record.ts";

const WAITING = (1 << STATE_READY) | (1 << STATE_DELAYED);

function bury(log: QueueLog, messageId: number): void {
  writeBury(log.writer, messageId, DEATH_NACKED, ENDED_NACKED, log.nowMs);
  log.commit();
}

describe("queues", () => {
  it("are found by name and id, and listed in name order", () => {
    const log = new QueueLog();
    for (const name of ["b", "aa", "ü", "a", "c"]) log.create(name);
    expect(log.store.queues().map(({ name }) => name)).toEqual(["a", "aa", "b", "c", "ü"]);
    expect(log.store.find(rangeOf("aa"))?.id).toBe(2);
    expect(log.store.find(rangeOf("ab"))).toBeUndefined();
    expect(log.store.queueOf(3)?.name).toBe("ü");
    writeQueueDelete(log.writer, 2);
    log.commit();
    expect(log.store.find(rangeOf("aa"))).toBeUndefined();
    expect(log.store.queueOf(2)).toBeUndefined();
    expect(log.store.queues().map(({ name }) => name)).toEqual(["a", "b", "c", "ü"]);
    log.store.checkInvariants();
  });

  it("keep their configuration, every number of it", () => {
    const log = new QueueLog();
    const config = {
      maxDepth: 2 ** 40,
      maxBytes: 2 ** 41,
      ackDeadlineMs: 2 ** 42,
      maxRetries: 65_535,
      defaultPriority: 9,
      messageTtlMs: 2 ** 43,
      retryBackoff: { initialMs: 2 ** 44, factor: 1.7, maxMs: 2 ** 45 },
      deadLetter: { enabled: false, maxDepth: 2 ** 46 },
      dedupWindowMs: 2 ** 47,
    };
    expect(log.create("q", config).config).toEqual(config);
  });

  it("count what comes to them, how it leaves, and how long it waits", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const ids = Array.from({ length: 6 }, () => log.publish(queue, { payload: "12345", headers: "{}" }));
    expect(queue.depthBytes).toBe(42);
    log.nowMs += 100;
    for (const id of ids) expect(log.deliver(queue)).toBe(id);
    log.ack(ids[0]);
    log.requeue(ids[1]);
    writeRequeue(log.writer, ids[2], ENDED_RELEASED, 0, 0, log.nowMs);
    writeRequeue(log.writer, ids[3], ENDED_NACKED, 1, log.nowMs + 50, log.nowMs);
    log.commit();
    bury(log, ids[4]);
    expect([queue.ready, queue.delayed, queue.pending, queue.dead, queue.depth]).toEqual([2, 1, 1, 1, 3]);
    expect([queue.depthBytes, queue.bytesIn(STATE_PENDING), queue.bytesIn(STATE_DEAD)]).toEqual([21, 7, 7]);
    expect(queue.totals).toEqual({
      published: 6,
      consumed: 6,
      acked: 1,
      nacked: 3,
      timedOut: 0,
      released: 1,
      deadLettered: 1,
      expired: 0,
      dropped: 0,
      waitMs: 600,
    });
    log.store.checkInvariants();
  });
});

describe("messages", () => {
  it("come by priority, then in the order they were published, and go back to their place", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const [low, high, middle, high2] = [1, 9, 5, 9].map((priority) => log.publish(queue, { priority }));
    expect(log.readyIds(queue)).toEqual([high, high2, middle, low]);
    expect(log.deliver(queue)).toBe(high);
    expect(log.deliver(queue)).toBe(high2);
    log.requeue(high2);
    expect(log.readyIds(queue)).toEqual([high2, middle, low]);
    log.requeue(high);
    expect(log.readyIds(queue)).toEqual([high, high2, middle, low]);
    expect(log.store.messages.idOf(log.store.oldestRef(queue))).toBe(low);
  });

  it("carry what they were published with", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const expiresAtMs = 2 ** 44 + 12_345;
    const id = log.publish(queue, {
      payload: "päyload",
      headers: '{"a":1}',
      priority: 7,
      maxRetries: 500,
      expiresAtMs,
    });
    const { messages } = log.store;
    const ref = log.store.findMessage(id);
    expect(log.payload(id)).toBe("päyload");
    const headers = new ByteRange(new Uint8Array(0), 0, 0);
    messages.readHeaders(ref, headers);
    expect(headers.toString()).toBe('{"a":1}');
    expect(messages.queueOf(ref)).toBe(queue);
    expect([messages.priorityOf(ref), messages.maxRetriesOf(ref), messages.retryCountOf(ref)]).toEqual([7, 500, 0]);
    expect([messages.publishedAtMsOf(ref), messages.expiresAtMsOf(ref)]).toEqual([log.nowMs, expiresAtMs]);
    expect(messages.deliveryIdOf(ref)).toBe(0);
    log.deliver(queue);
    expect(messages.deliveryIdOf(log.store.findMessage(id))).toBe(log.offset);
    expect(messages.instantMsOf(log.store.findMessage(id))).toBe(log.nowMs + queue.config.ackDeadlineMs);
  });

  it("that are pending are listed by their deliveries, dead ones by their deaths, page by page", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const ids = Array.from({ length: 9 }, () => log.publish(queue));
    for (const _ of ids) log.deliver(queue);
    expect(log.idsIn(queue, STATE_PENDING)).toEqual(ids);
    for (const id of [...ids].reverse()) bury(log, id);
    const page = log.idsIn(queue, STATE_DEAD, 0, 4);
    expect(page).toEqual(ids.slice(5).reverse());
    const position = log.store.messages.positionOf(log.store.findMessage(page[3]));
    // The last one shown goes, and the page after it begins where it would have.
    writeRetry(log.writer, page[3], log.nowMs);
    log.commit();
    expect(log.idsIn(queue, STATE_DEAD, position)).toEqual(ids.slice(0, 5).reverse());
    expect(log.readyIds(queue)).toEqual([page[3]]);
  });

  it("that are retried are as new, and expire no more", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const id = log.publish(queue, { expiresAtMs: log.nowMs + 10 });
    log.pass(10);
    const { messages } = log.store;
    expect(messages.deathReasonOf(log.store.findMessage(id))).toBe(DEATH_EXPIRED);
    writeRetry(log.writer, id, log.nowMs);
    log.commit();
    const ref = log.store.findMessage(id);
    expect([messages.retryCountOf(ref), messages.deathReasonOf(ref), messages.expiresAtMsOf(ref)]).toEqual([0, 0, 0]);
    expect(log.store.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("that die push the oldest dead letters out", () => {
    const log = new QueueLog();
    const queue = log.create("q", { deadLetter: { enabled: true, maxDepth: 2 } });
    const ids = [1, 2, 3].map(() => log.publish(queue));
    for (const _ of ids) log.deliver(queue);
    for (const id of [ids[2], ids[0], ids[1]]) bury(log, id);
    expect(log.idsIn(queue, STATE_DEAD)).toEqual([ids[0], ids[1]]);
    expect(log.store.findMessage(ids[2])).toBe(0);
    expect(queue.totals.dropped).toBe(1);
  });
});

describe("dedup ids", () => {
  it("are remembered for the window, per queue, after their message is gone", () => {
    const log = new QueueLog();
    const queue = log.create("q", { dedupWindowMs: 1000 });
    const other = log.create("other");
    const id = log.publish(queue, { dedupId: "x" });
    log.deliver(queue);
    log.ack(id);
    const find = (name: string): number => log.store.findDuplicate(queue, rangeOf(name), log.nowMs);
    expect(find("x")).toBe(id);
    expect(find("y")).toBe(0);
    expect(log.store.findDuplicate(other, rangeOf("x"), log.nowMs)).toBe(0);
    log.nowMs += 999;
    expect(find("x")).toBe(id);
    log.nowMs += 1;
    expect(find("x")).toBe(0);
    const second = log.publish(queue, { dedupId: "x" });
    expect(find("x")).toBe(second);
    expect(log.pass(0)).toBe(1);
    expect(queue.dedupCount).toBe(1);
    expect(find("x")).toBe(second);
  });

  it("are forgotten in slices, and leave no memory", () => {
    const log = new QueueLog();
    const queue = log.create("q", { dedupWindowMs: 1000 });
    const before = log.store.usedBytes;
    for (let i = 0; i < 100; i++) {
      log.publish(queue, { dedupId: `id ${i}` });
      log.ack(log.deliver(queue));
    }
    expect(log.pass(1000, 10)).toBe(10);
    expect(log.store.usedBytes).toBe(before);
    log.store.checkInvariants();
  });
});

describe("purge and delete", () => {
  it("purge takes what waits or what is dead, and leaves what is pending", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const ids = Array.from({ length: 4 }, () => log.publish(queue));
    const delayed = log.publish(queue, { readyAtMs: log.nowMs + 5, dedupId: "kept" });
    log.deliver(queue);
    log.deliver(queue);
    bury(log, ids[1]);
    writeQueuePurge(log.writer, queue.id, WAITING);
    log.commit();
    expect([queue.ready, queue.delayed, queue.pending, queue.dead]).toEqual([0, 0, 1, 1]);
    expect([...ids, delayed].map((id) => log.store.findMessage(id) !== 0)).toEqual([true, true, false, false, false]);
    // What was pending comes back to a queue that has new messages.
    const fresh = log.publish(queue);
    log.requeue(ids[0]);
    expect(log.readyIds(queue)).toEqual([ids[0], fresh]);
    expect(log.pass(10)).toBe(0);
    writeQueuePurge(log.writer, queue.id, 1 << STATE_DEAD);
    log.commit();
    expect(queue.dead).toBe(0);
    expect(log.store.findDuplicate(queue, rangeOf("kept"), log.nowMs)).toBe(delayed);
    log.store.checkInvariants();
    while (log.store.freeDetached(1));
    log.store.checkInvariants();
    expect(log.store.detachedBytes).toBe(0);
    expect(log.readyIds(queue)).toEqual([ids[0], fresh]);
  });

  it("delete takes all, dedup ids too, and a queue of the same name begins anew", () => {
    const log = new QueueLog();
    const empty = log.store.usedBytes;
    const queue = log.create("q");
    for (let i = 0; i < 50; i++) log.publish(queue, { dedupId: `${i}`, expiresAtMs: log.nowMs + 10 });
    for (let i = 0; i < 20; i++) log.deliver(queue);
    writeQueueDelete(log.writer, queue.id);
    log.commit();
    const again = log.create("q");
    expect(log.store.findDuplicate(again, rangeOf("7"), log.nowMs)).toBe(0);
    expect(log.store.findMessage(queue.id + 1)).toBe(0);
    expect(log.pass(100_000)).toBe(0);
    log.publish(again, { dedupId: "7" });
    log.store.checkInvariants();
    let slices = 1;
    while (log.store.freeDetached(7)) slices++;
    expect(slices).toBe(Math.ceil(100 / 7));
    log.store.checkInvariants();
    writeQueueDelete(log.writer, again.id);
    log.commit();
    while (log.store.freeDetached(10));
    expect(log.store.usedBytes).toBe(empty);
    expect(log.store.heldBytes).toBeLessThan(200_000);
  });
});

describe("large removals", () => {
  const COUNT = 20_000;

  function filled(): { log: QueueLog; ids: number[] } {
    const log = new QueueLog({ keepRecords: false, pageBytes: 65_536 });
    const queue = log.create("q");
    const ids = Array.from({ length: COUNT }, () => log.publish(queue, { expiresAtMs: log.nowMs + 1000 }));
    return { log, ids };
  }

  it("are freed in slices of the size asked for", () => {
    const { log, ids } = filled();
    const held = log.store.heldBytes;
    writeQueuePurge(log.writer, 1, WAITING);
    log.commit();
    // Nothing is freed by the operation itself.
    expect(log.store.messages.slab.count).toBe(COUNT);
    expect(log.store.detachedBytes).toBeGreaterThan(COUNT * 84 - 1);
    expect(log.store.findMessage(ids[COUNT / 2])).toBe(0);
    let left = COUNT;
    while (log.store.freeDetached(1000)) {
      left -= 1000;
      expect(log.store.messages.slab.count).toBe(left);
    }
    expect(left).toBe(1000);
    expect(log.store.heldBytes).toBeLessThan(held / 10);
  });

  it("deadlines of what is gone cost work within the limit, and no operation", () => {
    const { log } = filled();
    writeQueuePurge(log.writer, 1, WAITING);
    log.commit();
    log.nowMs += 2000;
    let calls = 0;
    for (; log.store.nextDeadlineMs <= log.nowMs; calls++) expect(log.due.stage(log.nowMs, log.writer, 500)).toBe(0);
    expect(calls).toBe(COUNT / 500);
    while (log.store.freeDetached(1000));
    log.store.checkInvariants();
  });

  it("a retry of all dead letters goes in slices, and takes none that died since", () => {
    const { log, ids } = filled();
    const queue = log.queue(1);
    log.pass(1000, 1000);
    expect(queue.dead).toBe(COUNT);
    writeRetryAll(log.writer, 1);
    log.commit();
    expect(queue.dead).toBe(COUNT);
    const late = log.publish(queue, { priority: 9 });
    log.deliver(queue);
    bury(log, late);
    expect(log.store.nextDeadlineMs).toBe(0);
    let slices = 0;
    for (; log.store.nextDeadlineMs === 0; slices++) {
      expect(log.due.stage(log.nowMs, log.writer, 1000)).toBe(1);
      const { dead } = queue;
      log.commit();
      expect(dead - queue.dead).toBeLessThanOrEqual(500);
    }
    expect(slices).toBe(COUNT / 500);
    expect(log.idsIn(queue, STATE_DEAD)).toEqual([late]);
    expect(log.readyIds(queue)).toEqual(ids);
    expect(log.store.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("a retry of the last dead letter by its id ends the retry of all", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    const id = log.publish(queue);
    log.deliver(queue);
    bury(log, id);
    writeRetryAll(log.writer, queue.id);
    writeRetry(log.writer, id, log.nowMs);
    log.commit();
    expect(log.store.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
    expect(log.readyIds(queue)).toEqual([id]);
  });

  it("a purge of dead letters ends their retry", () => {
    const { log } = filled();
    log.pass(1000, 1000);
    writeRetryAll(log.writer, 1);
    writeQueuePurge(log.writer, 1, 1 << STATE_DEAD);
    log.commit();
    expect(log.store.retrying.size).toBe(0);
    expect(log.pass(0)).toBe(0);
  });
});

describe("memory", () => {
  it("goes back when messages go", () => {
    const log = new QueueLog({ keepRecords: false });
    const queue = log.create("q");
    const before = log.store.usedBytes;
    const payload = "p".repeat(300);
    for (let i = 0; i < 2000; i++) log.publish(queue, { payload });
    const perMessage = (log.store.usedBytes - before) / 2000;
    expect(perMessage - 300).toBeLessThan(150);
    expect(perMessage).toBeLessThanOrEqual(log.store.messageBytesNeeded(300, 0, 0));
    for (let i = 0; i < 2000; i++) log.ack(log.deliver(queue));
    expect(log.store.usedBytes).toBe(before);
    expect(log.store.heldBytes).toBeLessThan(200_000);
  });

  it("left behind by messages of other sizes can be had back, with every message in its place", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    for (let i = 0; i < 4000; i++) {
      const expiresAtMs = i % 3 === 0 ? log.nowMs + 1_000_000 + i : 0;
      log.publish(queue, { payload: `${i}`.padEnd(60), dedupId: `d${i}`, expiresAtMs, priority: i % 10 });
    }
    let i = 0;
    for (const id of log.readyIds(queue)) {
      if (i++ % 7 === 0) continue;
      writeDeliver(log.writer, id, log.nowMs + 10, log.nowMs);
      writeAck(log.writer, id);
    }
    writeForget(log.writer, queue.id, 3000);
    log.commit();
    const dump = log.store.dump();
    const { heldBytes, reclaimableBytes } = log.store;
    expect(reclaimableBytes).toBeGreaterThan(heldBytes / 2);
    while (log.store.evacuate(4)) log.store.checkInvariants();
    expect(log.store.heldBytes).toBeLessThan(heldBytes / 2);
    expect(log.store.dump()).toBe(dump);
    expect(log.store.findDuplicate(queue, rangeOf("d3999"), log.nowMs)).not.toBe(0);
  });
});

describe("gained queues", () => {
  it("are told once each, and not after they are gone", () => {
    const log = new QueueLog();
    const [a, b, c] = ["a", "b", "c"].map((name) => log.create(name));
    const gained = (): string[] => {
      const names: string[] = [];
      log.store.drainGained(({ name }) => names.push(name));
      return names;
    };
    log.publish(b);
    log.publish(a);
    log.publish(b);
    log.publish(c, { readyAtMs: log.nowMs + 10 });
    expect(gained()).toEqual(["b", "a"]);
    expect(gained()).toEqual([]);
    log.pass(10);
    log.requeue(log.deliver(a));
    expect(gained()).toEqual(["c", "a"]);
    log.publish(b);
    writeQueueDelete(log.writer, b.id);
    log.commit();
    expect(gained()).toEqual([]);
  });

  it("may gain again while they are told", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    log.publish(queue);
    let told = 0;
    const tell = (): void => {
      if (told++ === 0) log.publish(queue);
    };
    log.store.drainGained(tell);
    expect(told).toBe(1);
    log.store.drainGained(tell);
    expect(told).toBe(2);
  });
});

describe("apply", () => {
  it("gives the same state for the same operations", () => {
    const log = new QueueLog();
    const queue = log.create("q", { retryBackoff: { initialMs: 10, factor: 3, maxMs: 50 } });
    for (let i = 0; i < 20; i++) log.publish(queue, { payload: `${i}`, dedupId: `${i}`, priority: i % 3 });
    for (let i = 0; i < 10; i++) log.deliver(queue);
    log.pass(30_000);
    log.pass(10);
    expect(queue.totals.timedOut).toBe(10);
    const other = replay(log.records);
    expect(other.dump()).toBe(log.store.dump());
    other.checkInvariants();
  });

  function refuses(
    stage: (log: QueueLog, ids: { ready: number; delayed: number; pending: number; dead: number }) => void,
  ) {
    const log = new QueueLog();
    const queue = log.create("q");
    const ready = log.publish(queue, { priority: 1 });
    const delayed = log.publish(queue, { readyAtMs: log.nowMs + 1 });
    const dead = log.publish(queue);
    log.deliver(queue);
    bury(log, dead);
    const pending = log.publish(queue);
    log.deliver(queue);
    stage(log, { ready, delayed, pending, dead });
    expect(() => log.commit()).toThrow(/offset \d+/);
  }

  it.each<[string, Parameters<typeof refuses>[0]]>([
    ["a message that is not there", ({ writer }) => writeAck(writer, 99)],
    ["a queue that is not there", ({ writer }) => writeQueueDelete(writer, 99)],
    ["a queue that is there", ({ writer, store }) => writeQueueCreate(writer, rangeOf("q"), store.queues()[0].config)],
    ["ack of ready", ({ writer }, { ready }) => writeAck(writer, ready)],
    ["ack of dead", ({ writer }, { dead }) => writeAck(writer, dead)],
    ["deliver of pending", ({ writer }, { pending }) => writeDeliver(writer, pending, 1, 1)],
    ["deliver of delayed", ({ writer }, { delayed }) => writeDeliver(writer, delayed, 1, 1)],
    ["requeue of ready", ({ writer }, { ready }) => writeRequeue(writer, ready, ENDED_NACKED, 1, 0, 1)],
    ["extend of ready", ({ writer }, { ready }) => writeExtend(writer, ready, 1)],
    ["ready of ready", ({ writer }, { ready }) => writeReady(writer, ready)],
    ["bury of dead", ({ writer }, { dead }) => writeBury(writer, dead, DEATH_NACKED, ENDED_NACKED, 1)],
    ["drop of dead", ({ writer }, { dead }) => writeDrop(writer, dead, DEATH_NACKED, ENDED_NONE)],
    ["retry of ready", ({ writer }, { ready }) => writeRetry(writer, ready, 1)],
    ["forget of more than there is", ({ writer }) => writeForget(writer, 1, 1)],
    ["an unknown kind", ({ writer }) => void writer.bytes.fill(OP_QUEUE_LAST + 1, writer.begin(7), writer.length)],
  ])("throws on what plan cannot have written: %s", (_, stage) => refuses(stage));

  it("throws where an operation runs past its record", () => {
    const log = new QueueLog();
    const queue = log.create("q");
    log.publish(queue, { payload: "longer than nothing" });
    const { bytes, firstOffset } = log.records[1] as LoggedRecord; // The two that were just made.
    expect(() => new QueueLog().store.apply(log.records[0].bytes, 0, 10, 1)).toThrow("past its record");
    log.deliver(queue);
    expect(() => log.store.apply(bytes, 0, bytes.length - 1, firstOffset + 10)).toThrow("past its record");
  });
});
