/**
 * Random lives of a master and two replicas: writes, cuts, stalls, restarts, kills, snapshots, full syncs and promotions. In the
 * end all are equal; on the way, whatever `admin.wait` covered is never lost, and no replica is ever ahead of its master.
 */
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../test/engine.ts";
import { type ReplicationNode, ReplicationSet } from "../../test/replication-set.ts";
import { seeds } from "../../test/soak.ts";

const NAMES = ["one", "two", "three"];
const STEPS = 60;

let set: ReplicationSet | undefined;
afterEach(() => set?.stop());

class Life {
  readonly set = new ReplicationSet();
  readonly random: () => number;
  master = NAMES[0];
  /** What replicas had on disk, by key. */
  readonly covered = new Map<string, string>();
  #written = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)];
  }

  node(name: string): ReplicationNode | undefined {
    return this.set.nodes.get(name);
  }

  get masterNode(): ReplicationNode {
    return this.set.nodes.get(this.master) as ReplicationNode;
  }

  async start(name: string): Promise<void> {
    const small = ["--set", "persistence.segment_bytes=64kb"];
    // With another policy a master that is killed begins epochs that nobody else hears of, which a promotion cannot pass.
    const fsync = ["--fsync", "always"];
    const of = name === this.master ? undefined : this.master;
    await this.set.start(name, { of, backlogBytes: 64 * 1024, flags: [...small, ...fsync] });
  }

  replicas(): ReplicationNode[] {
    return NAMES.filter((name) => name !== this.master)
      .map((name) => this.node(name))
      .filter((node) => node?.isRunning === true) as ReplicationNode[];
  }

  write(): void {
    const { masterNode } = this;
    const count = 1 + Math.floor(this.random() * 40);
    for (let i = 0; i < count; i++) {
      const key = `k${Math.floor(this.random() * 200)}`;
      const value = `${++this.#written} ${"x".repeat(Math.floor(this.random() * 400))}`;
      masterNode.run("kv.set", { key, value });
      this.covered.delete(key);
    }
  }

  /** What every running replica has acknowledged is noted; whoever is promoted has it. */
  async cover(): Promise<void> {
    const { masterNode, set } = this;
    const offset = masterNode.executor.appliedOffset;
    await set.pass(Math.floor(this.random() * 30));
    if (masterNode.replication.replicasAt(offset) < 2) return;
    for (let i = 0; i < 200; i++) {
      const key = `k${i}`;
      const value = masterNode.run("kv.get", { key });
      if (typeof value === "string") this.covered.set(key, value);
    }
  }

  async snapshot(): Promise<void> {
    let isDone = false;
    const { snapshots } = this.masterNode.directory;
    snapshots.take().then(() => {
      isDone = true;
    }, fails);
    await this.set.until(() => isDone);
  }

  async restart(name: string): Promise<void> {
    const node = this.node(name);
    if (node?.isRunning !== true) return;
    if (this.random() < 0.5) await node.stop();
    else await this.crash(node);
    await this.set.pass(Math.floor(this.random() * 50));
    await this.start(name);
  }

  /** Its disk has what was written, which is all that a process leaves. */
  async crash(node: ReplicationNode): Promise<void> {
    node.crash();
    await this.set.pass(5);
  }

  async promote(): Promise<void> {
    const candidates = this.replicas();
    if (candidates.length === 0) return;
    const best = candidates.reduce((a, b) => (a.directory.log.nextOffset >= b.directory.log.nextOffset ? a : b));
    const old = this.masterNode;
    await (this.random() < 0.5 ? old.stop() : this.crash(old));
    let isDone = false;
    best.replication.promote().then(() => {
      isDone = true;
    }, fails);
    await this.set.until(() => isDone || !best.isRunning);
    // It may have been about to start from a snapshot: then it is asked again.
    if (best.replication.role !== "master") return this.promoteAgain(best);
    this.master = best.name;
    for (const name of NAMES) {
      if (name === best.name) continue;
      const node = this.node(name);
      if (node?.isRunning === true) await node.stop();
      await this.start(name);
    }
    this.check(best);
  }

  async promoteAgain(node: ReplicationNode): Promise<void> {
    await this.set.until(() => node.isRunning);
    await this.set.pass(20);
    await this.start(this.master);
  }

  check(node: ReplicationNode): void {
    for (const [key, value] of this.covered) expect(node.run("kv.get", { key }), key).toBe(value);
  }

  async step(): Promise<void> {
    const { network } = this.set;
    const draw = this.random();
    if (draw < 0.4) this.write();
    else if (draw < 0.55) await this.set.pass(Math.floor(this.random() * 20));
    else if (draw < 0.65) network.cut(this.pick(NAMES));
    else if (draw < 0.72) network.stalled.add(this.pick(NAMES));
    else if (draw < 0.8) network.stalled.clear();
    else if (draw < 0.86) await this.cover();
    else if (draw < 0.9) await this.snapshot();
    else if (draw < 0.96) await this.restart(this.pick(NAMES));
    else {
      network.stalled.clear();
      await this.promote();
    }
    for (const replica of this.replicas()) this.checkPrefix(replica);
  }

  /** In the same epoch, a replica is never ahead of what its master has on disk. */
  checkPrefix(replica: ReplicationNode): void {
    const { masterNode } = this;
    if (replica.directory.log.epoch !== masterNode.directory.log.epoch || !masterNode.isRunning) return;
    if (!replica.replication.linkReport()?.state.startsWith("log")) return;
    expect(replica.executor.appliedOffset).toBeLessThanOrEqual(masterNode.directory.log.durableOffset);
  }
}

function fails(error: unknown): never {
  throw error;
}

describe("a random life of a master and two replicas", () => {
  it.each(seeds(8))("of seed %i ends with equal states", async (seed) => {
    const life = new Life(seed);
    set = life.set;
    for (const name of NAMES) await life.start(name);
    for (let i = 0; i < STEPS; i++) await life.step();
    life.set.network.stalled.clear();
    const { masterNode } = life;
    await life.set.until(() =>
      life.replicas().every((each) => each.executor.appliedOffset === masterNode.executor.appliedOffset),
    );
    expect(life.replicas()).toHaveLength(2);
    for (const replica of life.replicas()) expect(replica.dump()).toBe(masterNode.dump());
    life.check(masterNode);
  });
});
