import { describe, expect, it } from "vitest";
import { DataNode, TestClock, waitUntil } from "../../test/data-node.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { silentLogger } from "../runtime/logger.ts";
import { TAG_TEXT, Value } from "../state/value.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { CopySession } from "./copy-session.ts";
import { encodeLinkMessage, PUBLISHED, WELCOME } from "./link-message.ts";
import { LocalLog } from "./local-log.ts";
import { PublishedBatch } from "./published-message.ts";

const CLOSED_SOCKET = { send() {}, bufferedBytes: () => 0, close() {}, cut() {} };

/** A session that is entering an epoch of its master, which waits for the disk. */
async function busySession() {
  const node = await DataNode.open({ path: "data", files: new MemoryFileSystem() });
  const { directory, log } = node;
  let save = (): void => {};
  const saved = new Promise<void>((resolve) => {
    save = resolve;
  });
  const clock = new TestClock();
  const taken: string[] = [];
  let laterCount = 0;
  const session = new CopySession({
    local: new LocalLog({
      log,
      files: { identity: directory.identity, saveHistory: () => saved },
      executor: { applyCopied() {}, beginEpoch: (history) => log.beginEpoch(history) },
      onDurable() {},
    }),
    files: directory,
    nodeId: "replica",
    address: () => "http://replica",
    clock,
    logger: silentLogger,
    heartbeatMs: 1000,
    timeoutMs: 5000,
    later: () => laterCount++,
    // Each takes its time.
    publish: ({ name }) => {
      taken.push(name.toString());
      clock.ms++;
    },
    onAdopted() {},
    onFailure: (error) => expect(error).toBeUndefined(),
    onEnded() {},
  });
  session.start(() => CLOSED_SOCKET);
  session.opened();
  const { replicationId, history } = directory.identity;
  const lastOffset = log.nextOffset - 1;
  const identity = { replicationId, history: history.next(lastOffset, lastOffset + 10) };
  session.received(encodeLinkMessage({ kind: WELCOME, identity, address: "http://master", fullSync: undefined }));
  return { node, session, taken, save, laterCount: () => laterCount };
}

function published(topic: string): Uint8Array {
  const batch = new PublishedBatch();
  const { bytes, end } = rangeOf("1");
  const data = new Value(TAG_TEXT, bytes, 0, end);
  batch.add({ messageId: "id", name: rangeOf(topic), data, headers: undefined, timestampMs: 1 });
  return encodeLinkMessage({ kind: PUBLISHED, messages: batch.bytes });
}

describe("a session of a replica", () => {
  it("takes what has waited for the disk in slices, and what comes then behind it", async () => {
    const { node, session, taken, save, laterCount } = await busySession();
    for (let i = 0; i < 8; i++) session.received(published(`${i}`));
    expect(taken).toEqual([]);
    save();
    await waitUntil(() => laterCount() === 1);
    expect(taken).toEqual([]);
    session.received(published("8"));
    expect(session.goOn()).toBe(true);
    expect(taken).toEqual(["0", "1", "2"]);
    expect(session.goOn()).toBe(true);
    session.received(published("9"));
    expect(session.goOn()).toBe(true);
    expect(session.goOn()).toBe(false);
    session.received(published("10"));
    expect(taken).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    await node.close();
  });
});
