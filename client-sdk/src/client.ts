/** The client: its groups of commands, and how a command of any of them is sent. */
import { type BatchCommand, type BatchOptions, type BatchResults, batchRequest, needsMaster } from "./batch.ts";
import { type Sending, sendingOf, sendingOfAny } from "./command-safety.ts";
import type { CallOptions, Commander, Convert } from "./commander.ts";
import { Admin } from "./commands/admin.ts";
import { Key } from "./commands/key.ts";
import { Kv } from "./commands/kv.ts";
import { PubSub } from "./commands/pubsub.ts";
import { Queue } from "./commands/queue.ts";
import { Stream } from "./commands/stream.ts";
import { Transaction } from "./commands/transaction.ts";
import { Emitter } from "./emitter.ts";
import { ClientClosedError } from "./errors.ts";
import type { CommandMap, CommandName } from "./generated/command-map.ts";
import { type ClientOptions, type ResolvedOptions, resolveOptions, type SynapClientOptions } from "./options.ts";
import { Feeds } from "./subscriptions/feeds.ts";
import { Subscriber } from "./subscriptions/subscriber.ts";
import { RefusedTokens } from "./transport/refused-tokens.ts";
import { type ConnectionEvents, Router, type Tell } from "./transport/router.ts";
import { JsonCodec } from "./wire/json-codec.ts";
import { MessagePackCodec } from "./wire/message-pack-codec.ts";
import { Request } from "./wire/request.ts";
import { Session } from "./wire/session.ts";

/** How long `close` waits for answers. */
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * A client of a Synap server, or of a master and its replicas. It connects on first use, and again whenever it has to.
 *
 * Commands issued in the same turn of the event loop share one frame; their promises are settled in order. After a lost
 * connection reads are sent again, and so are writes, which are numbered so that they run once; what cannot be sent again
 * fails with ConnectionLostError, whose `mayHaveHappened` is true.
 */
export class SynapClient implements AsyncDisposable {
  /** Keys and values. */
  readonly kv: Kv;
  /** Keys, whatever is stored under them. */
  readonly key: Key;
  /** Work queues. */
  readonly queue: Queue;
  /** Event rooms. */
  readonly stream: Stream;
  /** Publish and subscribe. */
  readonly pubsub: PubSub;
  /** Transactions with watched keys. */
  readonly transaction: Transaction;
  /** The server itself. */
  readonly admin: Admin;
  readonly #options: ResolvedOptions;
  readonly #router: Router;
  readonly #feeds: Feeds;
  readonly #emitter = new Emitter<ConnectionEvents>();
  #isClosing = false;

  /** @throws TypeError for options that cannot be meant. */
  constructor(options: SynapClientOptions) {
    this.#options = resolveOptions(options);
    const session = new Session();
    const { format } = this.#options;
    const codec = format === "json" ? new JsonCodec(session.clientId) : new MessagePackCodec(session.clientId);
    const tell: Tell = (name, event) => this.#emitter.emit(name, event);
    const parts = { options: this.#options, session, codec, refused: new RefusedTokens(this.#options) };
    this.#router = new Router(parts, tell);
    this.#feeds = new Feeds(parts, this.#router, tell);
    const commander: Commander = {
      send: <T>(
        command: CommandName,
        payload: object,
        convert?: Convert,
        call?: CallOptions,
        onOrphan?: (payload: unknown) => void,
      ) => this.#send(command, payload, convert, call, onOrphan) as Promise<T>,
    };
    const subscriber = new Subscriber(this.#feeds);
    this.kv = new Kv(commander, subscriber);
    this.key = new Key(commander);
    this.queue = new Queue(commander, subscriber);
    this.stream = new Stream(commander, subscriber);
    this.pubsub = new PubSub(commander, subscriber);
    this.transaction = new Transaction(commander);
    this.admin = new Admin(commander);
  }

  /** Commands that wait here to be sent: for backpressure, see `drained`. */
  get queuedCount(): number {
    return this.#router.queuedCount;
  }

  /** The server that writes go to. */
  get masterUrl(): string {
    return this.#router.masterUrl;
  }

  /** Connects now, and not on first use. @throws ConnectionFailedError when no server can be reached. */
  async connect(): Promise<void> {
    await this.#router.ready();
  }

  /** Resolves when no command waits here to be sent: who issues many without awaiting each awaits this now and then. */
  drained(): Promise<void> {
    return this.#router.drained();
  }

  /** Hears of connections made and lost, and of a new master. @returns what ends it. */
  on<Name extends keyof ConnectionEvents>(name: Name, listener: (event: ConnectionEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /**
   * Sends any command by its name, with payload and reply in the names of the wire.
   *
   *     await client.command("kv.set", { key: "a", value: 1, ttl_ms: 500 });
   */
  command<Name extends CommandName>(
    command: Name,
    payload?: CommandMap[Name]["payload"],
    options?: CallOptions,
  ): Promise<CommandMap[Name]["reply"]>;
  /** A command that this version of the client does not know. It is not sent again after a lost connection. */
  command(command: string, payload?: object, options?: CallOptions): Promise<unknown>;
  command(command: string, payload: object = {}, options?: CallOptions): Promise<unknown> {
    return this.#send(command, payload, undefined, options, undefined, sendingOfAny(command, payload));
  }

  /**
   * Runs commands in order with nothing between them, and tells how each went; with `atomic: true` all of them happen, or
   * none, and the first error is thrown. Commands that wait, and subscriptions, cannot be in it.
   *
   * @throws ServerError when the whole batch is refused.
   */
  batch<const Commands extends readonly BatchCommand[]>(
    commands: Commands,
    options?: BatchOptions,
  ): Promise<BatchResults<Commands>> {
    const request = batchRequest(commands, options);
    // The results are those of these commands, one for each.
    return this.#issue(request, needsMaster(commands)) as Promise<BatchResults<Commands>>;
  }

  /**
   * Ends subscriptions, waits up to `timeoutMs` (5000) for what was issued, and closes the connections. Later commands
   * fail with ClientClosedError. Workers are stopped by `worker.stop()`, before this.
   */
  async close(options?: { readonly timeoutMs?: number }): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#feeds.close();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, options?.timeoutMs ?? CLOSE_TIMEOUT_MS);
    });
    await Promise.race([this.#router.idle(), late]);
    clearTimeout(timer);
    this.#router.close();
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(
    command: string,
    payload: object,
    convert?: Convert,
    options?: CallOptions,
    onOrphan?: (payload: unknown) => void,
    sending: Sending = sendingOf(command),
  ): Promise<unknown> {
    const request = new Request(command, payload, sending.safety, convert, options);
    request.isAlone = sending.isAlone;
    request.isExempt = sending.isExempt;
    request.onOrphan = onOrphan;
    return this.#issue(request, sending.needsMaster || options?.readFrom === "master");
  }

  #issue(request: Request, toMaster: boolean): Promise<unknown> {
    if (this.#isClosing) request.fail(new ClientClosedError("the client is closed", { command: request.command }));
    else if (!request.isDone) this.#router.issue(request, toMaster);
    return request.promise;
  }
}

/**
 * A client that is connected.
 *
 *     const synap = await connect("ws://localhost:15500");
 *
 * @param url one server, or a master and its replicas in any order; `ws:`, `wss:`, `http:` or `https:`
 * @throws ConnectionFailedError when no server can be reached; TypeError for options that cannot be meant
 */
export async function connect(url: SynapClientOptions["url"], options: ClientOptions = {}): Promise<SynapClient> {
  const client = new SynapClient({ ...options, url });
  try {
    await client.connect();
  } catch (error) {
    await client.close({ timeoutMs: 0 });
    throw error;
  }
  return client;
}
