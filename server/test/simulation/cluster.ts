/**
 * The operator of a simulated cluster, and its bad luck: starts nodes, breaks them, starts them again, promotes one and has
 * the others follow it. Who is the master is what the operator last decided.
 */
import { CommandError } from "../../src/commands/errors.ts";
import { isOfDisk } from "./fake-disk.ts";
import type { FakeNetwork } from "./fake-network.ts";
import type { NodeAccounts } from "./node-account.ts";
import type { Scenario, ScenarioFaults } from "./scenario.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededChoices } from "./seeded-choices.ts";
import type { SimulatedNode } from "./simulated-node.ts";

export interface ClusterParts {
  readonly scenario: Scenario;
  readonly scheduler: Scheduler;
  readonly choices: SeededChoices;
  readonly network: FakeNetwork;
  readonly accounts: NodeAccounts;
  readonly failed: (error: unknown) => void;
  readonly trace: (line: () => string) => void;
}

/** What is never filled by the nodes alone. */
export const DISK_BYTES = 2 ** 24;
const DOWN_MS = [2, 250] as const;
/** How long a start takes, about, and a little more. */
const START_MS = [10, 45] as const;
const RETRY_MS = 30;

export class Cluster {
  readonly nodes: readonly SimulatedNode[];
  master: SimulatedNode;
  /** Set where a promotion is under way. */
  #promoted: SimulatedNode | undefined;
  /** The epoch that it began, or the last one that was promoted. */
  #promotedEpoch = 0;
  /** A former master that comes back as a master once more, and is to be refused. */
  #stale: SimulatedNode | undefined;
  readonly #parts: ClusterParts;
  /** Faults that are to be undone. */
  #pending = 0;

  constructor(nodes: readonly SimulatedNode[], parts: ClusterParts) {
    this.nodes = nodes;
    this.#parts = parts;
    this.master = nodes[0];
  }

  start(): void {
    for (const node of this.nodes) this.#startIn(node, this.#parts.choices.between(0, 5));
  }

  /** Nothing is about to be done or undone, and all nodes run as they should. */
  get isSettled(): boolean {
    if (this.#pending > 0 || this.#promoted !== undefined || this.#stale !== undefined) return false;
    return this.nodes.every((node) => node.isUp && node.masterName === this.#masterNameOf(node));
  }

  #masterNameOf(node: SimulatedNode): string | undefined {
    if (node === this.master || node === this.#stale) return undefined;
    return this.master.name;
  }

  #later(delayMs: number, run: () => void): void {
    this.#pending++;
    this.#parts.scheduler.after(delayMs, () => {
      this.#pending--;
      run();
    });
  }

  #startIn(node: SimulatedNode, delayMs: number): void {
    this.#later(delayMs, () => {
      this.#spawn(node.start(this.#masterNameOf(node)));
    });
  }

  #spawn(promise: Promise<unknown>): void {
    promise.catch((error: unknown) => {
      // The node has heard of it too, and has ended.
      if (!isOfDisk(error)) this.#parts.failed(error);
    });
  }

  /** A process has ended, by a fault of its disk. */
  ended(node: SimulatedNode): void {
    if (this.#parts.scenario.fsync !== "always") this.#parts.accounts.mayLose(node);
    this.#startIn(node, this.#parts.choices.between(...DOWN_MS));
  }

  #crash(node: SimulatedNode, how: "kill" | "power"): void {
    if (node.state === "down") return;
    if (how === "power" && this.#parts.scenario.fsync !== "always") this.#parts.accounts.mayLose(node);
    node.crash(how);
    this.#startIn(node, this.#parts.choices.between(...DOWN_MS));
  }

  /** What the process wrote last is in the cache of the machine, where the next one finds it, and from which it is lost then. */
  #killThenPower(node: SimulatedNode): void {
    if (node.state === "down") return;
    const { choices } = this.#parts;
    node.crash("kill");
    const downMs = choices.between(2, 10);
    this.#startIn(node, downMs);
    this.#later(downMs + choices.between(...START_MS), () => this.#crash(node, "power"));
  }

  /** One more piece of bad luck. */
  strike(): void {
    const { choices, scenario, network, trace } = this.#parts;
    const fault = choices.weighted<keyof ScenarioFaults>(scenario.faults);
    const node = choices.chance(0.5) ? this.master : choices.pick(this.nodes);
    trace(() => `fault: ${fault} at ${node.name}`);
    switch (fault) {
      case "kill":
      case "power":
        this.#crash(node, fault);
        return;
      case "killThenPower":
        // While a sync is under way, what it is about is written.
        node.parts.disk.arm(choices.below(8), () => this.#killThenPower(node), "sync");
        return;
      case "crashAtOperation": {
        const how = choices.chance(0.7) ? "power" : "kill";
        node.parts.disk.arm(choices.below(40), () => this.#crash(node, how));
        return;
      }
      case "cut":
        if (network.links.length > 0) network.cut(choices.pick(network.links));
        return;
      case "hold":
        if (network.links.length > 0) choices.pick(network.links).hold(choices.between(20, 600));
        return;
      case "apart":
        network.setApart(node.name, true);
        this.#later(choices.between(50, 800), () => network.setApart(node.name, false));
        return;
      case "fullDisk":
        this.#fill(node);
        return;
      case "failedSync":
        node.parts.disk.failsNextSync = true;
        return;
      case "promotion":
        this.promoteOne();
        return;
      case "snapshot":
        if (node.engine !== undefined && node.isUp) this.#spawn(node.engine.directory.snapshots.take());
        return;
      case "restart":
        this.#restart(node);
        return;
    }
  }

  #fill(node: SimulatedNode): void {
    const { disk } = node.parts;
    const { choices } = this.#parts;
    disk.capacityBytes = disk.usedBytes + choices.below(24 * 1024);
    this.#later(choices.between(50, 500), () => {
      disk.capacityBytes = DISK_BYTES;
    });
  }

  /** Stops a node in order and starts it again, as what it has to be by then. */
  #restart(node: SimulatedNode): void {
    if (!node.isUp) return;
    // Where it crashes meanwhile this never resolves, and the crash has it started again.
    this.#spawn(node.stop().then(() => this.#startIn(node, this.#parts.choices.between(...DOWN_MS))));
  }

  /** Makes one of the replicas the master, where one could be. */
  promoteOne(): void {
    const { choices, trace } = this.#parts;
    if (this.#promoted !== undefined || this.#stale !== undefined) return;
    const master = this.master;
    const candidates = this.nodes.filter(
      (node) => node !== master && node.isUp && node.replicationId === master.replicationId && !node.isMaster,
    );
    const following = candidates.filter((node) => this.#hasFollowed(node));
    if (following.length === 0) return;
    this.#promoted = choices.pick(following);
    trace(() => `the operator promotes ${this.#promoted?.name}`);
    const fate = choices.pick(["crash", "runs on", "runs on", "stop"]);
    if (fate === "crash") this.#crash(master, choices.pick(["kill", "power"]));
    else if (fate === "stop") this.#restart(master);
    this.#promote(this.#promoted);
  }

  /**
   * Whether it knows of who was promoted last. Of two promotions that know nothing of one another, either may count as the newer
   * one: such a one the operator does not promote.
   */
  #hasFollowed(node: SimulatedNode): boolean {
    return (node.engine?.log.epoch ?? 0) >= this.#promotedEpoch;
  }

  /** The operator goes on asking until it is so. */
  #promote(node: SimulatedNode): void {
    const again = (): void => this.#later(RETRY_MS, () => this.#promote(node));
    const { engine } = node;
    if (engine === undefined || !node.isUp) {
      again();
      return;
    }
    if (node.isMaster) {
      this.#promotedIs(node);
      return;
    }
    let isAnswered = false;
    const answered = engine.replication.promote().then((result) => {
      isAnswered = true;
      if (node.engine !== engine) return again();
      if (result instanceof CommandError) return again();
      this.#parts.accounts.pathOf(node, engine.log);
      this.#promotedIs(node);
    });
    this.#spawn(answered);
    // A process that ends meanwhile answers nothing.
    this.#later(400, () => {
      if (!isAnswered && node.engine !== engine) this.#promote(node);
      else if (!isAnswered) this.#later(400, () => this.#promote(node));
    });
  }

  #promotedIs(node: SimulatedNode): void {
    const { choices, trace } = this.#parts;
    if (this.#promoted !== node) return;
    trace(() => `${node.name} is promoted`);
    const old = this.master;
    this.#promoted = undefined;
    this.#promotedEpoch = node.engine?.log.epoch ?? this.#promotedEpoch;
    this.master = node;
    node.masterName = undefined;
    if (choices.chance(0.3)) this.#stale = old;
    for (const each of this.nodes) {
      if (each === node) continue;
      this.#later(choices.between(0, 200), () => this.#follow(each));
    }
    if (this.#stale === undefined) return;
    this.#later(choices.between(100, 600), () => {
      this.#stale = undefined;
      this.#follow(old);
    });
  }

  /** Has a node that runs as something else start again as what it is to be. */
  #follow(node: SimulatedNode): void {
    const { choices } = this.#parts;
    if (node.state === "down" || node.state === "starting") {
      // It starts with what is decided when it does; where it is starting already, that may be too late.
      if (node.state === "starting") this.#later(RETRY_MS, () => this.#follow(node));
      return;
    }
    if (node.state === "stopping") {
      this.#later(RETRY_MS, () => this.#follow(node));
      return;
    }
    if (node.masterName === this.#masterNameOf(node) && node !== this.#stale) return;
    if (choices.chance(0.4)) this.#crash(node, choices.pick(["kill", "power"]));
    else this.#restart(node);
  }

  /** The bad luck is over: what is broken is mended, and who is not what it should be is started again. */
  heal(): void {
    for (const node of this.nodes) {
      const { disk } = node.parts;
      disk.failsNextSync = false;
      disk.capacityBytes = DISK_BYTES;
      disk.disarm();
      this.#parts.network.setApart(node.name, false);
      this.#follow(node);
      if (node.state === "down" && this.#pending === 0) this.#startIn(node, RETRY_MS);
    }
  }
}
