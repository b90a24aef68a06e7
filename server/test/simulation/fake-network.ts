/**
 * Links between nodes, one message at a time: each takes the time that the seed gives it, and comes in order and once while
 * the link lives. The seed's faults cut a link (what is on its way is gone, and each end hears of it when the seed says, or
 * never), hold everything on it for a while, or keep a node from opening any.
 *
 *     replica  --opened?-->  master          [m1][m2]   [m3] -->
 *              <------------------------  <-- [a1]  [a2]
 */
import type { LinkEnd, LinkOpener, LinkSocket, OpeningEnd } from "../../src/replication/link-socket.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededChoices } from "./seeded-choices.ts";

/** Changes what one end sends; undefined where nothing is sent. Planted faults use it. */
export type LinkFilter = (link: FakeLink, from: "replica" | "master", message: Uint8Array) => Uint8Array | undefined;

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly choices: SeededChoices;
  readonly trace: (line: () => string) => void;
  /** Takes a link for the node of this name; undefined where it is down. */
  readonly accept: (name: string, socket: LinkSocket) => LinkEnd | undefined;
  readonly filter: LinkFilter | undefined;
}

const MESSAGE_MS = [0.05, 2] as const;
const UNHEARD_CHANCE = 0.3;

export class FakeNetwork {
  readonly options: NetworkOptions;
  readonly #links = new Set<FakeLink>();
  /** Nodes that nobody reaches, and that reach nobody. */
  readonly #apart = new Set<string>();

  constructor(options: NetworkOptions) {
    this.options = options;
  }

  /** @param isAlive whether the process that opens is still there. */
  openerOf(name: string, isAlive: () => boolean): LinkOpener {
    return {
      open: (url, end) => {
        const link = new FakeLink(this, name, new URL(url).hostname, end, isAlive);
        this.#links.add(link);
        return link.replicaSocket;
      },
    };
  }

  ended(link: FakeLink): void {
    this.#links.delete(link);
  }

  isReachable(link: FakeLink): boolean {
    return !this.#apart.has(link.source) && !this.#apart.has(link.target);
  }

  get links(): readonly FakeLink[] {
    return [...this.#links];
  }

  cut(link: FakeLink): void {
    link.breakOff(this.options.choices.chance(UNHEARD_CHANCE));
  }

  setApart(name: string, isApart: boolean): void {
    if (!isApart) {
      this.#apart.delete(name);
      return;
    }
    this.#apart.add(name);
    for (const link of this.links) if (link.has(name)) link.breakOff(true);
  }

  /** The process of a node is gone: its system closes what it had, or the machine is silent. */
  nodeEnded(name: string, isSilent: boolean): void {
    for (const link of this.links) if (link.has(name)) link.endOf(name, isSilent);
  }
}

interface Side {
  /** Who hears what the other side sends; undefined where its process is gone or has closed. */
  end: LinkEnd | undefined;
  /** When the last message that was sent to it arrives. */
  lastAtMs: number;
  /** Of what was sent to it. */
  unreadBytes: number;
}

export class FakeLink {
  readonly source: string;
  readonly target: string;
  readonly replicaSocket: LinkSocket;
  readonly #network: FakeNetwork;
  readonly #replica: Side;
  readonly #master: Side = { end: undefined, lastAtMs: 0, unreadBytes: 0 };
  readonly #isAlive: () => boolean;
  #isOver = false;
  #heldUntilMs = 0;

  constructor(network: FakeNetwork, source: string, target: string, end: OpeningEnd, isAlive: () => boolean) {
    this.#network = network;
    this.source = source;
    this.target = target;
    this.#isAlive = isAlive;
    this.#replica = { end, lastAtMs: 0, unreadBytes: 0 };
    this.replicaSocket = this.#socket("replica", this.#replica, this.#master);
    const { scheduler, accept } = network.options;
    this.#after(() => {
      if (this.#isOver || !this.#isAlive()) return;
      const master = network.isReachable(this)
        ? accept(this.target, this.#socket("master", this.#master, this.#replica))
        : undefined;
      if (master === undefined) {
        this.#isOver = true;
        network.ended(this);
        end.closed("nobody listens there");
        return;
      }
      this.#master.end = master;
      scheduler.after(this.#delayMs(), () => {
        if (!this.#isOver && this.#replica.end !== undefined) end.opened();
      });
    });
  }

  has(name: string): boolean {
    return this.source === name || this.target === name;
  }

  /** What is sent from now on arrives no earlier. */
  hold(ms: number): void {
    this.#heldUntilMs = this.#network.options.scheduler.nowMs + ms;
  }

  #delayMs(): number {
    const { choices, scheduler } = this.#network.options;
    return Math.max(choices.between(...MESSAGE_MS), this.#heldUntilMs - scheduler.nowMs);
  }

  #after(run: () => void): void {
    this.#network.options.scheduler.after(this.#delayMs(), run);
  }

  #socket(from: "replica" | "master", own: Side, other: Side): LinkSocket {
    const { scheduler, filter, trace } = this.#network.options;
    return {
      send: (message) => {
        if (this.#isOver) return;
        const copy = new Uint8Array(message);
        const sent = filter === undefined ? copy : filter(this, from, copy);
        if (sent === undefined) return;
        other.unreadBytes += sent.length;
        this.#inOrder(other, () => {
          other.unreadBytes -= sent.length;
          if (this.#isOver) return;
          trace(() => `link ${this.source}->${this.target}: ${sent.length} bytes of kind ${sent[0]} from the ${from}`);
          other.end?.received(sent);
          scheduler.after(0, () => {
            if (!this.#isOver) own.end?.drained();
          });
        });
      },
      bufferedBytes: () => other.unreadBytes,
      close: () => this.#inOrder(other, () => this.#close()),
      cut: () => this.breakOff(false),
    };
  }

  /** Runs behind all that was sent to this side. */
  #inOrder(side: Side, run: () => void): void {
    const { scheduler } = this.#network.options;
    side.lastAtMs = Math.max(side.lastAtMs, scheduler.nowMs + this.#delayMs());
    scheduler.after(side.lastAtMs - scheduler.nowMs, run);
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#network.ended(this);
    for (const side of [this.#replica, this.#master]) side.end?.closed();
  }

  /** @param isUnheard nobody is told: the ends have to find out. */
  breakOff(isUnheard: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#network.ended(this);
    if (isUnheard) return;
    for (const side of [this.#replica, this.#master]) {
      this.#network.options.scheduler.after(this.#delayMs(), () => side.end?.closed());
    }
  }

  endOf(name: string, isSilent: boolean): void {
    if (this.source === name) this.#replica.end = undefined;
    if (this.target === name) this.#master.end = undefined;
    this.breakOff(isSilent);
  }
}
