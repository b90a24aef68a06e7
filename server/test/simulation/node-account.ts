/**
 * What is known of each node from outside: what it has made durable, and what it has let out of its process. Compared with
 * what it has when it starts again, and with where a new epoch begins.
 *
 * With `fsync: always`, and where only the process ended, nothing of it may be gone. With the other policies a machine that
 * ends may take back what it likes of the end: then a master begins a new epoch, and says so.
 */
import type { LogRecord } from "../../src/oplog/log-record.ts";
import type { OperationLog } from "../../src/oplog/operation-log.ts";
import { Finding } from "./finding.ts";
import { LogHistory, stretchesOf, type WrittenEpoch } from "./log-history.ts";
import type { SimulatedNode } from "./simulated-node.ts";

interface Account {
  /** By the key of the epoch. */
  readonly durable: Map<string, number>;
  readonly shown: Map<string, number>;
  /** What it had may be gone. */
  mayHaveLost: boolean;
  /** How often it has begun from a snapshot of its master; then what it had itself does not count. */
  adoptions: number;
}

/** What a master has promised to be on other nodes. */
interface Covered {
  readonly epoch: string;
  readonly offset: number;
  nodes: readonly string[];
  readonly what: string;
}

export class NodeAccounts {
  readonly history = new LogHistory();
  readonly #accounts = new Map<string, Account>();
  readonly #covered: Covered[] = [];

  #of(name: string): Account {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = { durable: new Map(), shown: new Map(), mayHaveLost: false, adoptions: 0 };
      this.#accounts.set(name, account);
    }
    return account;
  }

  /** The path of a node's log. */
  pathOf(node: SimulatedNode, log: OperationLog): readonly WrittenEpoch[] {
    const replicationId = node.replicationId ?? "";
    return this.history.epochsOf(replicationId, log.history, (epoch, before) => this.#begun(node, epoch, before));
  }

  #begun(node: SimulatedNode, epoch: WrittenEpoch, before: WrittenEpoch | undefined): void {
    if (before === undefined) return;
    const { previousEnd } = epoch;
    const own = this.#of(node.name);
    if (node.state === "starting" && own.mayHaveLost) return;
    const ownEnd = Math.max(own.shown.get(before.key) ?? 0, own.durable.get(before.key) ?? 0);
    const isPromotion = node.state !== "starting";
    if (!own.mayHaveLost && ownEnd > previousEnd) {
      throw new Finding("shown and taken back", `${node.name} had ${ownEnd} and goes on behind ${previousEnd}`);
    }
    if (!isPromotion && before.shownOffset > previousEnd) {
      throw new Finding("shown and taken back", `${before.shownOffset} was shown, ${epoch.key} follows ${previousEnd}`);
    }
    for (const { epoch: key, offset, nodes, what } of this.#covered) {
      if (key !== before.key || offset <= previousEnd || !nodes.includes(node.name) || own.mayHaveLost) continue;
      throw new Finding(
        "covered write lost by a promotion",
        `${what} at ${offset} was on ${node.name}, which was promoted at ${previousEnd}`,
      );
    }
  }

  /**
   * Something that may have been shown is not in the log that ends there: a promotion did not have to have it. All that was written
   * counts: a repeat of an idempotent write is answered with what is remembered of it, at no offset that is seen here.
   */
  hasLeftBehind(path: readonly WrittenEpoch[], end: number): boolean {
    const ends = new Map(stretchesOf(path, end).map((stretch) => [stretch.epoch, stretch.end]));
    return this.history.epochs.some((epoch) => epoch.records.length > 0 && epoch.lastOffset > (ends.get(epoch) ?? 0));
  }

  appended(node: SimulatedNode, log: OperationLog, record: LogRecord, isWriter: boolean): void {
    const path = this.pathOf(node, log);
    const epoch = path.find((each) => each.epoch === record.epoch);
    if (epoch === undefined) throw new Finding("epoch", `${node.name} writes in epoch ${record.epoch} and has none`);
    this.history.appended(epoch, record, { name: node.name, isWriter, nowMs: node.parts.clock.nowMs() });
  }

  durable(node: SimulatedNode, log: OperationLog, offset: number): void {
    raise(this.#of(node.name).durable, this.pathOf(node, log), offset);
  }

  /** Something that shows the log up to `offset` has left the process of a node. */
  shown(node: SimulatedNode, log: OperationLog, offset: number): void {
    const path = this.pathOf(node, log);
    const epoch = raise(this.#of(node.name).shown, path, offset);
    epoch.shownOffset = Math.max(epoch.shownOffset, this.#of(node.name).shown.get(epoch.key) ?? 0);
  }

  /** The nodes, but for this one, that have made the offset durable. */
  holders(node: SimulatedNode, log: OperationLog, offset: number): string[] {
    const { epoch } = placeOf(this.pathOf(node, log), offset);
    return [...this.#accounts]
      .filter(([name, { durable }]) => name !== node.name && (durable.get(epoch.key) ?? 0) >= offset)
      .map(([name]) => name);
  }

  /** A master has answered that so many others have the offset. */
  covered(node: SimulatedNode, log: OperationLog, offset: number, count: number, what: string): void {
    const { epoch } = placeOf(this.pathOf(node, log), offset);
    const nodes = this.holders(node, log, offset);
    if (nodes.length < count) {
      throw new Finding(
        "covered write lost by a promotion",
        `${what} at ${offset} was answered, and is on ${nodes.length} replicas instead of ${count}`,
      );
    }
    this.#covered.push({ epoch: epoch.key, offset, nodes, what });
  }

  /** The end of this life may take back what it has. */
  mayLose(node: SimulatedNode): void {
    this.#of(node.name).mayHaveLost = true;
    for (const each of this.#covered) each.nodes = each.nodes.filter((name) => name !== node.name);
  }

  /** It has found its data again. */
  recovered(node: SimulatedNode, log: OperationLog): void {
    const path = this.pathOf(node, log);
    const own = this.#of(node.name);
    const end = log.nextOffset - 1;
    const hasAdopted = node.adoptions > own.adoptions;
    own.adoptions = node.adoptions;
    for (const { epoch, end: stretchEnd } of stretchesOf(path, end)) {
      for (const [what, marks] of [
        ["shown", own.shown],
        ["durable", own.durable],
      ] as const) {
        const mark = marks.get(epoch.key) ?? 0;
        if (mark <= stretchEnd) continue;
        if (!own.mayHaveLost && !hasAdopted && epoch === path.at(-1)) {
          throw new Finding("acknowledged write lost", `${node.name} had ${what} ${mark}, and now ends at ${end}`);
        }
        marks.set(epoch.key, stretchEnd);
      }
    }
    own.mayHaveLost = false;
    // What a start has found it has synced.
    raise(own.durable, path, log.durableOffset);
    if (node.masterName === undefined) this.#cut(node, path[path.length - 1], end);
  }

  /** What the master of an epoch has not found again may be written anew: nobody may have it. */
  #cut(node: SimulatedNode, epoch: WrittenEpoch, end: number): void {
    if (epoch.lastOffset <= end) return;
    if (epoch.shownOffset > end) {
      throw new Finding("shown and taken back", `${epoch.shownOffset} was shown, ${node.name} now ends at ${end}`);
    }
    for (const [name, { durable }] of this.#accounts) {
      if (name !== node.name && (durable.get(epoch.key) ?? 0) > end) {
        throw new Finding("shown and taken back", `${name} has ${durable.get(epoch.key)}, its master ends at ${end}`);
      }
    }
    epoch.cutBehind(end);
  }

  /** What the node holds is what its log leads to. */
  compare(node: SimulatedNode): void {
    const { engine } = node;
    if (engine === undefined) return;
    const { log, state } = engine;
    const expected = this.history.replay(this.pathOf(node, log), state.appliedOffset).dump();
    const found = state.dump();
    if (found === expected) return;
    const check = node.isMaster ? "state differs from its log" : "replica differs from its master";
    throw new Finding(check, `${node.name} at ${state.appliedOffset}: ${firstDifference(expected, found)}`);
  }
}

/** Where an offset lies; one in the gap before an epoch stands for the end of the epoch before. */
function placeOf(path: readonly WrittenEpoch[], offset: number): { epoch: WrittenEpoch; offset: number } {
  const found = path.findLastIndex((epoch) => epoch.firstOffset <= offset);
  const index = Math.max(0, found);
  const end = path.at(index + 1)?.previousEnd ?? offset;
  return { epoch: path[index], offset: Math.min(offset, end) };
}

function raise(marks: Map<string, number>, path: readonly WrittenEpoch[], at: number): WrittenEpoch {
  const { epoch, offset } = placeOf(path, at);
  marks.set(epoch.key, Math.max(marks.get(epoch.key) ?? 0, offset));
  return epoch;
}

function firstDifference(expected: string, found: string): string {
  const [left, right] = [expected.split("\n"), found.split("\n")];
  const index = left.findIndex((line, i) => line !== right.at(i));
  const line = (lines: readonly string[]) => lines.at(index < 0 ? left.length : index) ?? "nothing";
  return `expected ${line(left).slice(0, 300)}, found ${line(right).slice(0, 300)}`;
}
