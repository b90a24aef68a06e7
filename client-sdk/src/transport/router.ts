/**
 * Which server a command goes to. Writes go to the master, which is the first URL until a server says otherwise:
 *
 *     write --> master? --- READ_ONLY_REPLICA, details.master ---> that one is the master now; the write goes there
 *                  '------- cannot be reached ------------------> the next URL is tried, and what waits goes along
 *
 * A write that was refused by a replica has not happened, so it can always go on: in the order of issue, see
 * waiting-writes.ts.
 */
import {
  ClientClosedError,
  ConnectionFailedError,
  ReadOnlyReplicaError,
  type SynapError,
  TooManyCommandsError,
  UnauthorizedError,
} from "../errors.ts";
import { masterSocketUrl, type ResolvedOptions } from "../options.ts";
import type { Message } from "../wire/codec.ts";
import type { Request } from "../wire/request.ts";
import type { Connection } from "./connection.ts";
import { Endpoint } from "./endpoint.ts";
import type { ClientParts, Lane, LaneListener } from "./lane.ts";
import { ReplicaOffsets } from "./replica-offsets.ts";
import { WaitingWrites } from "./waiting-writes.ts";

/** While a replica becomes the master every server may refuse, and they are asked in turn, until the command's time is over. */
const REDIRECT_WAIT_MAX_MS = 500;
/** How often a client that is closing looks whether it may. */
const IDLE_LOOK_MS = 2;

/** What is told about connections, for logs. */
export interface ConnectionEvents {
  /** A server was reached, at first or again. */
  connected: { readonly url: string };
  /** A connection ended, or could not be made. It is tried again. */
  disconnected: { readonly url: string; readonly error: Error };
  /** Another server is the master now. */
  master: { readonly url: string };
}

export type Tell = <Name extends keyof ConnectionEvents>(name: Name, event: ConnectionEvents[Name]) => void;

export class Router {
  readonly #parts: ClientParts;
  readonly #options: ResolvedOptions;
  readonly #tell: Tell;
  readonly #endpoints: Endpoint[] = [];
  readonly #offsets: ReplicaOffsets;
  readonly #waiting: WaitingWrites;
  #issuedCount = 0;
  #master: Endpoint;
  #turn = 0;
  #isClosed = false;
  #onSettled = new Set<() => void>();

  constructor(parts: ClientParts, tell: Tell) {
    const { options } = parts;
    this.#parts = parts;
    this.#options = options;
    this.#tell = tell;
    for (const url of options.urls) this.#endpoints.push(this.#endpoint(url));
    this.#master = this.#endpoints[0];
    this.#waiting = new WaitingWrites({
      isBusy: () => this.#lanes().some(({ hasWrites }) => hasWrites),
      send: (request) => this.#master.issue(request),
      expired: (request) => this.#expired(request),
      limitMsOf: ({ timeoutMs }) => timeoutMs ?? options.timeoutMs,
    });
    this.#offsets = new ReplicaOffsets(() => this.#master);
  }

  get masterUrl(): string {
    return this.#master.url;
  }

  get load(): number {
    return this.#waiting.count + this.#endpoints.reduce((sum, endpoint) => sum + endpoint.load, 0);
  }

  get queuedCount(): number {
    return this.#lanes().reduce((sum, lane) => sum + lane.queuedCount, this.#waiting.count);
  }

  issue(request: Request, needsMaster: boolean): void {
    const { readFrom, readYourWrites } = this.#options;
    this.#issuedCount += 1;
    request.order = this.#issuedCount;
    if (readFrom === "master" || needsMaster || request.safety !== "read") {
      if (readYourWrites && readFrom !== "master" && request.safety !== "read") this.#offsets.written(request);
      if (request.safety !== "read" && this.#waiting.isHolding) this.#join(request);
      else this.#master.issue(request);
    } else this.#reader().issue(request);
  }

  /** Connects. @throws ConnectionFailedError when every URL has been tried once. */
  async ready(): Promise<void> {
    if (this.#options.readFrom !== "master") for (const { lanes } of this.#endpoints) lanes[0].open();
    const tried = new Set<Endpoint>();
    while (!this.#master.isOpen) {
      if (this.#isClosed) throw new ClientClosedError("the client was closed");
      const endpoint = this.#master;
      if (tried.has(endpoint)) throw this.#unreachable();
      tried.add(endpoint);
      const failedBefore = endpoint.lanes[0].lastFailure;
      endpoint.lanes[0].open();
      while (!this.#isClosed && !endpoint.isOpen && endpoint.lanes[0].lastFailure === failedBefore)
        await this.#nextChange();
      // The failure itself has made the next one the master.
    }
  }

  async drained(): Promise<void> {
    await this.#waiting.empty();
    await Promise.all(this.#lanes().map((lane) => lane.drained()));
  }

  /** Resolves when every command is answered. */
  async idle(): Promise<void> {
    while (this.load > 0 && !this.#isClosed) await new Promise((resolve) => setTimeout(resolve, IDLE_LOOK_MS));
  }

  close(): void {
    this.#isClosed = true;
    for (const request of this.#waiting.take()) request.fail(closedError(request));
    for (const endpoint of this.#endpoints) endpoint.close();
    this.#offsets.close();
    this.#changed();
  }

  /** A lane that is not its own, of subscriptions, could not reach the master. */
  masterFailed(url: string): void {
    if (url === this.#master.url) this.#passOn(this.#master);
  }

  /**
   * A server that is not the master was asked for what only a master does. `masterUrl` is where to ask then.
   * @param told where the master is, if that server has said so.
   */
  masterTold(url: string, told: string | undefined): void {
    const from = this.#endpoints.find((endpoint) => endpoint.url === url);
    if (from !== undefined) this.#follow(from, told);
  }

  #lanes(): Lane[] {
    return this.#endpoints.flatMap(({ lanes }) => [...lanes]);
  }

  #endpoint(url: string): Endpoint {
    const listener: LaneListener = {
      opened: (_lane, connection) => this.#opened(endpoint, connection),
      failed: (_lane, error) => this.#failed(endpoint, error),
      moved: (request, master) => this.#moved(endpoint, request, master),
      push: (_lane, _message: Message) => {},
    };
    const endpoint: Endpoint = new Endpoint(url, this.#parts, listener);
    return endpoint;
  }

  /** The endpoint that a read goes to, by the rule of `readFrom`. */
  #reader(): Endpoint {
    const able = this.#endpoints.filter((endpoint) => this.#mayRead(endpoint));
    this.#turn += 1;
    let best: Endpoint | undefined;
    for (let i = 0; i < able.length; i++) {
      const endpoint = able[(this.#turn + i) % able.length];
      if (best === undefined || endpoint.load < best.load) best = endpoint;
    }
    return best ?? this.#master;
  }

  #mayRead(endpoint: Endpoint): boolean {
    const { readFrom, readYourWrites } = this.#options;
    const isMaster = endpoint === this.#master;
    if (isMaster && readFrom === "replicas") return false;
    if (!endpoint.isOpen) {
      endpoint.lanes[0].open();
      return false;
    }
    return isMaster || !readYourWrites || this.#offsets.has(endpoint);
  }

  #opened(endpoint: Endpoint, connection: Connection): void {
    // It may have begun anew, with less than it had.
    endpoint.caughtUpCount = -1;
    this.#tell("connected", { url: endpoint.url });
    if (connection.isReplica && endpoint === this.#master) this.#follow(endpoint, connection.masterUrl);
    this.#changed();
  }

  #failed(endpoint: Endpoint, error: Error): void {
    this.#tell("disconnected", { url: endpoint.url, error });
    if (endpoint === this.#master) {
      if (!endpoint.isOpen) this.#passOn(endpoint);
    } else {
      // What waited for this server can be read from another.
      for (const lane of endpoint.lanes)
        if (!lane.isOpen) for (const request of lane.takeQueued()) this.#redirect(request);
    }
    this.#changed();
  }

  /** The master cannot be reached: the next server is asked, and takes what waits. */
  #passOn(failed: Endpoint): void {
    if (this.#endpoints.length === 1 || this.#isClosed) return;
    const index = this.#endpoints.indexOf(failed);
    this.#setMaster(this.#endpoints[(index + 1) % this.#endpoints.length]);
    for (const lane of failed.lanes) for (const request of lane.takeQueued()) this.#redirect(request);
  }

  #moved(from: Endpoint, request: Request, told: string | undefined): void {
    if (from === this.#master) this.#follow(from, told);
    this.#redirect(request);
  }

  /** Makes the server that `from` calls the master ours, or the next one where it does not know. */
  #follow(from: Endpoint, told: string | undefined): void {
    if (this.#isClosed) return;
    let next: Endpoint | undefined;
    if (told !== undefined) {
      const url = masterSocketUrl(told, from.url.startsWith("wss:"));
      next = this.#endpoints.find((endpoint) => endpoint.url === url);
      if (next === undefined) {
        next = this.#endpoint(url);
        this.#endpoints.push(next);
      }
    }
    const index = this.#endpoints.indexOf(from);
    this.#setMaster(next ?? this.#endpoints[(index + 1) % this.#endpoints.length]);
  }

  #setMaster(endpoint: Endpoint): void {
    if (endpoint === this.#master) return;
    this.#master = endpoint;
    this.#tell("master", { url: endpoint.url });
  }

  #redirect(request: Request): void {
    if (request.isDone) return;
    if (this.#isClosed) {
      request.fail(closedError(request));
      return;
    }
    request.redirects += 1;
    if (request.safety === "read" && request.redirects === 1) {
      this.#master.issue(request);
      return;
    }
    this.#waiting.join(
      request,
      request.redirects === 1 ? 0 : Math.min(REDIRECT_WAIT_MAX_MS, 10 * 2 ** request.redirects),
    );
  }

  /** A new write goes behind those that wait. */
  #join(request: Request): void {
    if (this.#waiting.count >= this.#options.maxQueued) {
      const text = `${this.#waiting.count} commands wait to be sent already`;
      request.fail(new TooManyCommandsError(text, request.errorContext));
    } else if (this.#master.lanes[0].prepare(request)) this.#waiting.join(request, 0);
  }

  #expired(request: Request): void {
    const limitMs = request.timeoutMs ?? this.#options.timeoutMs;
    const text = `no server was found within ${limitMs} ms that runs ${request.command} as a master`;
    request.fail(new ReadOnlyReplicaError("READ_ONLY_REPLICA", text, request.errorContext));
  }

  #changed(): void {
    for (const resolve of this.#onSettled) resolve();
    this.#onSettled.clear();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => this.#onSettled.add(resolve));
  }

  #unreachable(): SynapError {
    const causes = this.#endpoints.map(({ lanes }) => lanes[0].lastFailure).filter((error) => error !== undefined);
    const refused = causes.find((error) => error instanceof UnauthorizedError);
    if (refused !== undefined) return refused;
    const text = causes.map(({ message }) => message).join("; ");
    const cause = causes.length === 1 ? causes[0] : new AggregateError(causes, text);
    return new ConnectionFailedError(text === "" ? "no server is the master" : text, { cause });
  }
}

function closedError({ errorContext }: Request): ClientClosedError {
  return new ClientClosedError("the client was closed", errorContext);
}
