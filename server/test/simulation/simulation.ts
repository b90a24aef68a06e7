/**
 * One run: nodes, clients and bad luck, all from one seed, then rest, then the checks of what is left.
 *
 *     clients at work, faults  -->  all is mended, everybody answered, replicas caught up  -->  checks
 *     checks go on all the time: at each record, each frame that leaves, each start, each new epoch
 *
 * The same seed gives the same run, event by event.
 */
import type { ClientConnection, ConnectionOwner, Frame } from "./client-connection.ts";
import type { ClientRequest } from "./client-request.ts";
import { Cluster, DISK_BYTES } from "./cluster.ts";
import { checkEnd } from "./end-checks.ts";
import { FakeDisk } from "./fake-disk.ts";
import { FakeNetwork } from "./fake-network.ts";
import { Finding } from "./finding.ts";
import { stretchesOf } from "./log-history.ts";
import { type DeliveredMessage, MessageAccount, tokenOf } from "./message-account.ts";
import { NodeAccounts } from "./node-account.ts";
import { NodeClock } from "./node-clock.ts";
import { PlantedFault } from "./planted-fault.ts";
import { Scenario } from "./scenario.ts";
import { Scheduler } from "./scheduler.ts";
import { SeededChoices } from "./seeded-choices.ts";
import { noteShown } from "./shown-offsets.ts";
import { type ClientObserver, type ReplyBody, SimulatedClient } from "./simulated-client.ts";
import { type Engine, type NodeObserver, SimulatedNode } from "./simulated-node.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly fault?: PlantedFault;
  /** Gets the transcript, line by line. */
  readonly print?: (line: string) => void;
}

export interface SimulationResult {
  readonly seed: number;
  readonly scenario: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly records: number;
  readonly answers: number;
  readonly finding: Finding | undefined;
}

const FAULTS_FROM_MS = 20;
/** By then all have found each other. */
const PROMOTION_FROM_MS = 350;
const FAULTS_TO_MS = 1200;
const WORK_MS_MAX = 60_000;
const REST_MS_MAX = 30_000;
const LOOK_MS = 10;
const COMPARE_MS = 150;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(options).run();
}

export class Simulation implements NodeObserver, ConnectionOwner, ClientObserver {
  readonly seed: number;
  readonly scenario: Scenario;
  readonly scheduler = new Scheduler();
  readonly accounts = new NodeAccounts();
  readonly messages = new MessageAccount();
  readonly cluster: Cluster;
  readonly clients: readonly SimulatedClient[];
  /** Requests that were sent, by id. */
  readonly requests = new Map<string, { readonly clientId: number; readonly request: ClientRequest }>();
  /** Ids of those whose success has left a node. */
  readonly succeeded = new Set<string>();
  readonly trace: (line: () => string) => void;
  readonly #choices: SeededChoices;
  readonly #fault: PlantedFault;
  #failure: { readonly error: unknown } | undefined;
  #connectionCount = 0;

  constructor({ seed, fault = new PlantedFault(), print }: SimulationOptions) {
    this.seed = seed;
    this.#fault = fault;
    const { scheduler } = this;
    this.trace =
      print === undefined ? () => {} : (line) => print(`${scheduler.nowMs.toFixed(3).padStart(10)}  ${line()}`);
    const choices = new SeededChoices(seed);
    this.#choices = choices;
    this.scenario = new Scenario(choices);
    const { scenario, trace } = this;
    this.trace(() => scenario.toString());
    let nodes: readonly SimulatedNode[] = [];
    const network = new FakeNetwork({
      scheduler,
      choices: choices.fork(),
      trace,
      accept: (name, socket) => {
        const engine = nodes.find((node) => node.name === name && node.isUp)?.engine;
        return engine?.replication.links.connected(socket);
      },
      filter: (link, from, message) => fault.link(link, from, message),
    });
    nodes = scenario.nodeNames.map((name) => {
      const disk = new FakeDisk({ name, scheduler, choices: choices.fork(), capacityBytes: DISK_BYTES, trace });
      const clock = new NodeClock(scheduler, choices.fork());
      const shared = { name, scenario, scheduler, clock, disk, network, fault, trace };
      return new SimulatedNode({ ...shared, choices: choices.fork(), observer: this });
    });
    this.cluster = new Cluster(nodes, {
      scenario,
      scheduler,
      choices: choices.fork(),
      network,
      accounts: this.accounts,
      failed: (error) => this.failed(error),
      trace,
    });
    this.clients = Array.from({ length: scenario.clientCount }, (_, clientId) => {
      return new SimulatedClient({
        clientId,
        scheduler,
        choices: choices.fork(),
        requestCount: scenario.requestsPerClient,
        replicaCount: nodes.length - 1,
        owner: this,
        trace,
      });
    });
  }

  async run(): Promise<SimulationResult> {
    let finding: Finding | undefined;
    const undo = [this.#fault.begin(), onUnhandledRejection((error) => this.failed(error))];
    try {
      await this.#play();
    } catch (error) {
      finding = error instanceof Finding ? error : new Finding("failure", describe(error), error);
      const found = finding;
      this.trace(() => `FOUND ${found.message}`);
    } finally {
      for (const each of undo) each();
    }
    const { seed, scenario, scheduler, accounts, succeeded } = this;
    return {
      seed,
      scenario: scenario.toString(),
      events: scheduler.count,
      simulatedMs: scheduler.nowMs,
      records: accounts.history.epochs.reduce((sum, epoch) => sum + epoch.records.length, 0),
      answers: succeeded.size,
      finding,
    };
  }

  async #play(): Promise<void> {
    const { cluster, scenario, scheduler } = this;
    cluster.start();
    let faults = scenario.faultCount;
    for (let i = 0; i < scenario.faultCount; i++) {
      scheduler.after(this.#choices.between(FAULTS_FROM_MS, FAULTS_TO_MS), () => {
        faults--;
        cluster.strike();
      });
    }
    if (scenario.hasPromotion) {
      faults++;
      scheduler.after(this.#choices.between(PROMOTION_FROM_MS, FAULTS_TO_MS), () => {
        faults--;
        cluster.promoteOne();
      });
    }
    await this.until("clients and faults are done", WORK_MS_MAX, () => {
      return faults === 0 && this.clients.every((client) => client.isDone);
    });
    for (const client of this.clients) client.end();
    cluster.heal();
    await this.until("all nodes run as they should", REST_MS_MAX, () => cluster.isSettled);
    await this.until("replicas have caught up", REST_MS_MAX, () => this.#haveCaughtUp());
    await checkEnd(this);
  }

  #haveCaughtUp(): boolean {
    const { master, nodes, isSettled } = this.cluster;
    const offset = master.engine?.state.appliedOffset;
    if (!isSettled || master.engine?.log.durableOffset !== offset) return false;
    return nodes.every((node) => node.engine?.state.appliedOffset === offset);
  }

  /** Lets time pass until it is so. */
  async until(what: string, msMax: number, condition: () => boolean): Promise<void> {
    const { scheduler } = this;
    const endMs = scheduler.nowMs + msMax;
    let lookAtMs = scheduler.nowMs;
    let compareAtMs = scheduler.nowMs + COMPARE_MS;
    while (scheduler.nowMs < endMs) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (scheduler.nowMs >= lookAtMs) {
        if (condition()) return;
        lookAtMs = scheduler.nowMs + LOOK_MS;
      }
      if (scheduler.nowMs >= compareAtMs) {
        this.accounts.compare(this.#choices.pick(this.cluster.nodes));
        compareAtMs = scheduler.nowMs + COMPARE_MS;
      }
      if (!(await scheduler.step())) throw new Finding("no rest", `nothing happens any more, before ${what}`);
    }
    throw new Finding("no rest", `it did not come to this within ${msMax} ms: ${what}`);
  }

  // NodeObserver

  recovered(node: SimulatedNode): void {
    const { engine } = node;
    if (engine === undefined) return;
    this.#note(() => {
      this.accounts.recovered(node, engine.log);
      this.accounts.compare(node);
    });
  }

  /** What is found is told when the event is over: the server must not see it. */
  #note(check: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      check();
    } catch (error) {
      this.failed(error);
    }
  }

  appended(...[node, log, record]: Parameters<NodeObserver["appended"]>): void {
    this.#note(() => this.accounts.appended(node, log, record, node.engine === undefined || node.isMaster));
  }

  durable(...[node, log, offset]: Parameters<NodeObserver["durable"]>): void {
    this.#note(() => this.accounts.durable(node, log, offset));
  }

  failed(error: unknown): void {
    this.#failure ??= { error };
  }

  ended(node: SimulatedNode): void {
    this.cluster.ended(node);
  }

  // ClientObserver

  nodeFor(choices: SeededChoices): SimulatedNode | undefined {
    const { master, nodes } = this.cluster;
    return choices.chance(0.8) ? master : choices.pick(nodes);
  }

  nextConnectionId(): number {
    return ++this.#connectionCount;
  }

  asked(clientId: number, request: ClientRequest): void {
    this.requests.set(request.id, { clientId, request });
    this.messages.sent(request);
  }

  acknowledging(token: string): void {
    this.messages.ackSent(token);
  }

  // ConnectionOwner

  lastChange(node: SimulatedNode, { log, state }: Engine, key: string): number {
    const path = this.accounts.pathOf(node, log);
    const stretches = stretchesOf(path, state.appliedOffset);
    return Math.max(0, ...stretches.map(({ epoch, end }) => epoch.lastChange(key, end)));
  }

  recordEnd(node: SimulatedNode, { log }: Engine, offset: number): number {
    const path = this.accounts.pathOf(node, log);
    return path[path.length - 1].at(offset)?.lastOffset ?? 0;
  }

  closed(connection: ClientConnection, isGivenBack: boolean): void {
    if (isGivenBack) this.messages.closed(connection);
    this.clients[connection.clientId].closed(connection);
  }

  left(connection: ClientConnection, frame: Frame): void {
    this.#note(() => this.#left(connection, frame));
  }

  #left(connection: ClientConnection, frame: Frame): void {
    const { node, engine, clientId } = connection;
    this.trace(() => `${node.name} to client ${clientId}: ${frame.text.slice(0, 240)}`);
    noteShown(this.accounts, node, engine, frame);
    const body = JSON.parse(frame.text) as ReplyBody & DeliveryPush;
    const client = this.clients[clientId];
    if (body.type === "delivery") {
      const path = this.accounts.pathOf(node, engine.log);
      this.messages.delivered(body.message, connection, path, true);
      this.#deliver(connection, () => client.took(body.queue, [body.message], [tokenOf(body.message.payload)]));
      return;
    }
    if (body.request_id === undefined) return;
    const request = this.requests.get(body.request_id)?.request;
    if (request === undefined) throw new Finding("failure", `a reply to nothing: ${frame.text}`);
    const messages = this.#noteReply(connection, frame, request, body);
    this.#deliver(connection, () => {
      client.replied(body);
      if (messages.length > 0) {
        client.took(
          String(request.payload.queue),
          messages,
          messages.map(({ payload }) => tokenOf(payload)),
        );
      }
    });
  }

  #noteReply(
    connection: ClientConnection,
    frame: Frame,
    request: ClientRequest,
    body: ReplyBody,
  ): readonly DeliveredMessage[] {
    if (!body.success) {
      if (body.code === "INTERNAL_ERROR") throw new Finding("failure", `${request.command}: ${frame.text}`);
      return [];
    }
    const { node, engine } = connection;
    const payload = body.payload as Record<string, unknown>;
    this.succeeded.add(request.id);
    const { minReplicas, fsync } = this.scenario;
    if (fsync === "always" && frame.isWrite && minReplicas > 0) {
      this.accounts.covered(node, engine.log, frame.dependsOn, minReplicas, `${request.command} ${request.id}`);
    }
    switch (request.command) {
      case "queue.publish":
        if (request.token !== undefined) this.messages.published.add(request.token);
        return [];
      case "queue.extend":
        this.messages.extended(request, Number(payload.deadline_at_ms));
        return [];
      case "queue.ack":
        this.messages.acknowledgedId(Number(request.payload.message_id));
        return [];
      case "queue.consume": {
        const messages = payload.messages as DeliveredMessage[];
        const path = this.accounts.pathOf(node, engine.log);
        for (const message of messages) this.messages.delivered(message, connection, path, false);
        return messages;
      }
      default:
        return [];
    }
  }

  #deliver(connection: ClientConnection, run: () => void): void {
    this.scheduler.after(this.#choices.between(0.05, 1.5), () => {
      if (connection.isOpen) run();
    });
  }
}

/** What nobody catches ends the process of a server, and must not end this one. @returns undoes it. */
function onUnhandledRejection(failed: (error: unknown) => void): () => void {
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", failed);
  return () => {
    process.removeListener("unhandledRejection", failed);
    for (const each of others) process.on("unhandledRejection", each);
  };
}

interface DeliveryPush {
  readonly type?: string;
  readonly queue: string;
  readonly message: DeliveredMessage;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
