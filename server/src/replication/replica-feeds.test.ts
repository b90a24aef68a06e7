import { describe, expect, it } from "vitest";
import { DataNode, TestClock, waitUntil } from "../../test/data-node.ts";
import { MemoryFileSystem } from "../../test/memory-file-system.ts";
import { EpochHistory } from "../oplog/epochs.ts";
import { silentLogger } from "../runtime/logger.ts";
import {
  ACK,
  decodeLinkMessage,
  encodeLinkMessage,
  HELLO,
  type Hello,
  LINK_VERSION,
  type LinkMessage,
} from "./link-message.ts";
import type { LinkEnd, LinkSocket } from "./link-socket.ts";
import type { ReplicaFeed } from "./replica-feed.ts";
import { REPLICAS_MAX, ReplicaFeeds } from "./replica-feeds.ts";

/** The replicas of a master, whose sockets the test holds. */
async function master(backlogBytesMax = 2 ** 20) {
  const clock = new TestClock();
  const node = await DataNode.open({
    path: "data",
    files: new MemoryFileSystem(),
    segmentBytes: 4096,
    backlogBytesMax,
  });
  const lines: string[] = [];
  let endTurn = (): boolean => false;
  let isRequested = false;
  const feeds = new ReplicaFeeds({
    log: node.log,
    files: node.directory,
    replicationId: node.directory.identity.replicationId,
    address: () => "http://master",
    clock,
    logger: { ...silentLogger, warn: (line: unknown) => lines.push(String(line)) },
    heartbeatMs: 1000,
    timeoutMs: 5000,
    turnEnd: {
      add: (run) => {
        endTurn = run;
        return { request: () => (isRequested = true) };
      },
    },
    refusal: () => undefined,
    onChange: () => undefined,
  });
  /** What the loop would do; false where nothing was asked of it. */
  const turn = (): boolean => {
    if (!isRequested) return false;
    isRequested = endTurn();
    return true;
  };
  return { clock, node, feeds, lines, turn, first: await node.acknowledged("first", "1") };
}

class TestSocket implements LinkSocket {
  readonly sent: LinkMessage[] = [];
  isClosed = false;

  send(bytes: Uint8Array): void {
    const message = decodeLinkMessage(Uint8Array.from(bytes));
    if (typeof message === "string") throw new Error(message);
    this.sent.push(message);
  }

  bufferedBytes(): number {
    return 0;
  }

  close(): void {
    this.isClosed = true;
  }

  cut(): void {
    this.isClosed = true;
  }
}

function hello(node: DataNode, changes: Partial<Hello>): Uint8Array {
  const { replicationId, history } = node.directory.identity;
  return encodeLinkMessage({
    ...{ kind: HELLO, version: LINK_VERSION, nodeId: "replica", address: "http://replica", lastOffset: 0 },
    identity: { replicationId, history },
    ...changes,
  });
}

function feedOf(end: LinkEnd): ReplicaFeed {
  // The interface is what transports see; these tests look behind it.
  return end as ReplicaFeed;
}

/** One of another log, which gets a snapshot. */
const STRANGER = { replicationId: "f".repeat(32), history: EpochHistory.beginning(1) };

describe("a feed", () => {
  it("that ends while its log is read from files leaves the master nothing to do", async () => {
    const { node, feeds, turn, first } = await master(2048);
    for (let i = 0; i < 40; i++) await node.acknowledged(`key ${i}`, "v".repeat(400));
    const end = feeds.connected(new TestSocket());
    end.received(hello(node, { lastOffset: first }));
    await waitUntil(() => feedOf(end).state === "log");
    turn();
    end.closed();
    // Whatever it waited for, and whoever tells of it.
    feeds.isReady(feedOf(end));
    await waitUntil(() => !turn());
    expect(turn()).toBe(false);
    await node.close();
  });

  it("does not count as in sync by what it acknowledges before it is welcomed", async () => {
    const { node, feeds, first } = await master();
    const last = await node.acknowledged("second", "2");
    const end = feeds.connected(new TestSocket());
    end.received(hello(node, { lastOffset: first }));
    expect(feedOf(end).state).toBe("preparing");
    end.received(encodeLinkMessage({ kind: ACK, durableOffset: first }));
    expect(feedOf(end).isInSync).toBe(false);
    await waitUntil(() => feedOf(end).state === "log");
    end.received(encodeLinkMessage({ kind: ACK, durableOffset: first }));
    expect(feedOf(end).isInSync).toBe(false);
    end.received(encodeLinkMessage({ kind: ACK, durableOffset: last }));
    expect(feedOf(end).isInSync).toBe(true);
    await node.close();
  });
});

describe("a node that links again", () => {
  it("is counted once, also while its last link is not known to be dead", async () => {
    const { node, feeds, first } = await master();
    const links: LinkEnd[] = [];
    for (const nodeId of ["one", "one", "other"]) {
      const end = feeds.connected(new TestSocket());
      links.push(end);
      end.received(hello(node, { nodeId, lastOffset: first }));
      await waitUntil(() => feedOf(end).state === "log");
      end.received(encodeLinkMessage({ kind: ACK, durableOffset: first }));
    }
    expect(links.map((end) => feedOf(end).state)).toEqual(["closed", "log", "log"]);
    expect([feeds.inSyncCount, feeds.acknowledgedOffsets()]).toEqual([2, [first, first]]);
    await node.close();
  });
});

describe("what is kept for replicas that start from a snapshot", () => {
  it("is kept for as many as may be linked, whatever they call themselves", async () => {
    const { node, feeds } = await master();
    await node.snapshot();
    const { directory } = node;
    let pinCount = 0;
    const pinned = directory.pinned.bind(directory);
    directory.pinned = (offset) => {
      const pin = pinned(offset);
      pinCount++;
      return {
        release() {
          pinCount--;
          pin.release();
        },
      };
    };
    for (let i = 0; i < 3 * REPLICAS_MAX; i++) {
      const end = feeds.connected(new TestSocket());
      end.received(hello(node, { nodeId: `node ${i}`, identity: STRANGER }));
      await waitUntil(() => feedOf(end).state === "snapshot");
      end.closed();
    }
    expect(pinCount).toBe(REPLICAS_MAX);
    await node.close();
  });

  it("is removed in time however much of it there is", async () => {
    const { node } = await master();
    const pins = Array.from({ length: 200_000 }, () => node.directory.pinned(1));
    await node.directory.snapshots.prune();
    for (const pin of pins) pin.release();
    await node.close();
  });
});

describe("what replicas say of themselves", () => {
  it("is where they serve clients, or where they link from when they name all their addresses", async () => {
    const { node, feeds, first } = await master();
    const announced = [
      ["http://10.0.0.6:15500", "10.0.0.9"],
      ["http://0.0.0.0:15500", "10.0.0.6"],
      ["http://[::]:15501", "fe80:0:0:0:0:0:0:6"],
      ["http://0.0.0.0:15502", ""],
    ];
    for (const [i, [address, peerHost]] of announced.entries()) {
      const end = feeds.connected(new TestSocket(), peerHost);
      end.received(hello(node, { nodeId: `node ${i}`, address, lastOffset: first }));
    }
    expect(feeds.report().map(({ address }) => address)).toEqual([
      "http://10.0.0.6:15500",
      "http://10.0.0.6:15500",
      "http://[fe80:0:0:0:0:0:0:6]:15501",
      "http://0.0.0.0:15502",
    ]);
    await node.close();
  });

  it("makes a line in ten seconds in the log at the most, and none is longer than that or broken", async () => {
    const { clock, feeds, lines } = await master();
    for (let i = 0; i < 100; i++) {
      const broken = new TextEncoder().encode(`x{"a\n\u001b[31m${"z".repeat(5000)}`);
      broken[0] = HELLO;
      feeds.connected(new TestSocket()).received(broken);
    }
    clock.ms += 10_000;
    feeds.tick();
    feeds.tick();
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/a message is broken/);
    expect(lines[0]).not.toMatch(/\p{Cc}/u);
    expect(lines[0].length).toBeLessThan(1500);
    expect(lines[1]).toBe("99 more lines about links of replicas were left out");
  });
});
