/**
 * The connections that pushes come over, apart from those of commands, so that no command waits behind a flood of pushes and a
 * slow reader's cut-off costs no command. Feeds share a connection as far as their slots allow.
 *
 *     connection 1:  room chat   topics a,b   watch user:*        one lane each, reconnecting on its own
 *     connection 2:  room chat (from an offset of its own)
 *
 * When a lane has a new connection, every feed of it subscribes again.
 */
import { ClientClosedError, ConnectionLostError, ServerError, SynapError } from "../errors.ts";
import { unref } from "../timer.ts";
import { Backoff } from "../transport/backoff.ts";
import { type ClientParts, Lane, type LaneListener } from "../transport/lane.ts";
import type { Router, Tell } from "../transport/router.ts";
import type { Message } from "../wire/codec.ts";
import { Request } from "../wire/request.ts";
import type { Feed, Push, Sink, SubscribeReply, Subscribing } from "./feed.ts";

interface PushLane {
  readonly lane: Lane;
  url: string;
  readonly bySlot: Map<string, Feed>;
  /** Feeds of the present connection. */
  readonly byId: Map<number, Feed>;
}

export class Feeds {
  readonly #parts: ClientParts;
  readonly #router: Router;
  readonly #tell: Tell;
  readonly #lanes = new Set<PushLane>();
  readonly #laneOf = new Map<Feed, PushLane>();
  /** First subscriptions under way, which their subscribers wait for. */
  readonly #starts = new Map<Feed, Promise<void>>();
  /** Feeds that are being subscribed again. */
  readonly #restarting = new Set<Feed>();
  #isClosed = false;

  constructor(parts: ClientParts, router: Router, tell: Tell) {
    this.#parts = parts;
    this.#router = router;
    this.#tell = tell;
  }

  /** Joins a sink to a feed like this one, or begins this one. @returns the feed it is in, and when that has begun. */
  join(feed: Feed, sink: Sink): { readonly feed: Feed; readonly ready: Promise<void> } {
    if (this.#isClosed) return { feed, ready: Promise.reject(new ClientClosedError("the client is closed")) };
    if (feed.isShareable) {
      for (const { bySlot } of this.#lanes) {
        const found = bySlot.get(feed.slot);
        if (found?.isShareable !== true) continue;
        found.sinks.add(sink);
        return { feed: found, ready: found.hasBegun ? Promise.resolve() : this.#firstStart(found) };
      }
    }
    feed.sinks.add(sink);
    const place = this.#laneFor(feed.slot);
    place.bySlot.set(feed.slot, feed);
    this.#laneOf.set(feed, place);
    return { feed, ready: this.#firstStart(feed) };
  }

  /** Takes a sink out of its feed, and ends a feed that nobody follows. */
  async leave(feed: Feed, sink: Sink): Promise<void> {
    if (!feed.sinks.delete(sink) || feed.sinks.size > 0) return;
    const place = this.#laneOf.get(feed);
    if (place === undefined) return;
    const { subscriptionId } = feed;
    this.#forget(feed, place);
    if (place.bySlot.size === 0) this.#closeLane(place);
    else if (subscriptionId !== undefined && place.lane.isOpen)
      await this.#end(place, feed.unsubscribing(subscriptionId));
  }

  /** Ends every subscription; their loops end without an error. */
  close(): void {
    this.#isClosed = true;
    for (const feed of this.#laneOf.keys()) for (const sink of [...feed.sinks]) sink.closed();
    for (const place of this.#lanes) this.#closeLane(place);
  }

  #firstStart(feed: Feed): Promise<void> {
    const under = this.#starts.get(feed);
    if (under !== undefined) return under;
    const place = this.#laneOf.get(feed);
    const start = place === undefined ? Promise.resolve() : this.#start(place, feed);
    this.#starts.set(feed, start);
    const done = (): void => {
      this.#starts.delete(feed);
    };
    start.then(done, (error: unknown) => {
      done();
      this.#drop(feed);
      return error;
    });
    return start;
  }

  /** Subscribes at the server. The first time its failure is the subscriber's; later it is tried again. */
  async #start(place: PushLane, feed: Feed): Promise<void> {
    const { command, payload } = feed.subscribing();
    // The id must be known before the next message is read, so it is taken where the reply is.
    const begun = (reply: unknown): void => {
      if (this.#laneOf.get(feed) !== place) return;
      // By the registry.
      const started = reply as SubscribeReply;
      place.byId.set(started.subscription_id, feed);
      feed.begun(started);
    };
    const request = new Request(command, payload, feed.hasBegun ? "unsafe" : "read", begun);
    request.isAlone = true;
    place.lane.issue(request);
    await request.promise;
  }

  async #startAgain(place: PushLane, feed: Feed, backoff: Backoff): Promise<void> {
    if (this.#laneOf.get(feed) !== place || feed.subscriptionId !== undefined || this.#restarting.has(feed)) return;
    this.#restarting.add(feed);
    try {
      await this.#start(place, feed);
    } catch (error) {
      // A new connection begins this anew; and a server that has begun anew may not have the room yet.
      if (error instanceof ConnectionLostError || !place.lane.isOpen) return;
      if (mayComeBack(error)) unref(setTimeout(() => void this.#startAgain(place, feed, backoff), backoff.nextMs()));
      else {
        feed.failed(error);
        this.#drop(feed);
      }
    } finally {
      this.#restarting.delete(feed);
    }
  }

  async #end(place: PushLane, { command, payload }: Subscribing): Promise<void> {
    const request = new Request(command, payload, "read", undefined);
    request.isAlone = true;
    place.lane.issue(request);
    // A connection that is lost meanwhile has ended it as well.
    await request.promise.catch((error: unknown) => error);
  }

  #forget(feed: Feed, place: PushLane): void {
    this.#laneOf.delete(feed);
    place.bySlot.delete(feed.slot);
    if (feed.subscriptionId !== undefined) place.byId.delete(feed.subscriptionId);
    feed.subscriptionId = undefined;
  }

  #drop(feed: Feed): void {
    const place = this.#laneOf.get(feed);
    if (place === undefined) return;
    this.#forget(feed, place);
    if (place.bySlot.size === 0) this.#closeLane(place);
  }

  #laneFor(slot: string): PushLane {
    for (const place of this.#lanes) if (!place.bySlot.has(slot)) return place;
    const place: PushLane = { lane: this.#lane(() => place), url: "", bySlot: new Map(), byId: new Map() };
    place.lane.isWanted = true;
    this.#lanes.add(place);
    return place;
  }

  #lane(place: () => PushLane): Lane {
    const listener: LaneListener = {
      opened: () => this.#opened(place()),
      failed: (_lane, error) => this.#failed(place(), error),
      moved: (request, master) => {
        this.#router.masterTold(place().url, master);
        request.fail(new ConnectionLostError("the server is a replica now", false, { command: request.command }));
        place().lane.drop(new ConnectionLostError("the server is a replica now", false));
      },
      push: (_lane, message) => this.#pushed(place(), message),
    };
    const url = (): string => {
      place().url = this.#router.masterUrl;
      return place().url;
    };
    return new Lane(url, this.#parts, listener);
  }

  #opened(place: PushLane): void {
    this.#tell("connected", { url: place.url });
    const backoff = new Backoff(this.#parts.options.reconnect);
    for (const feed of place.bySlot.values()) {
      if (!this.#starts.has(feed)) void this.#startAgain(place, feed, backoff);
    }
  }

  #failed(place: PushLane, error: Error): void {
    this.#tell("disconnected", { url: place.url, error });
    if (!place.lane.isOpen) this.#router.masterFailed(place.url);
    place.byId.clear();
    for (const feed of place.bySlot.values()) if (feed.subscriptionId !== undefined) feed.interrupted();
    // The lane does not go on either: a token that is refused will be refused again.
    if (!(error instanceof SynapError && error.code === "UNAUTHORIZED")) return;
    for (const feed of [...place.bySlot.values()]) {
      feed.failed(error);
      this.#drop(feed);
    }
  }

  #pushed(place: PushLane, message: Message): void {
    if (message.type === "closing") return;
    // Every push has fields, whichever they are.
    const push = message as Push;
    place.byId.get(Number(push.subscription_id))?.push(push);
  }

  #closeLane(place: PushLane): void {
    this.#lanes.delete(place);
    place.lane.isWanted = false;
    place.lane.close();
  }
}

/** Whether what was subscribed once may be had again later: a server that has begun anew may not have the room yet. */
export function mayComeBack(error: unknown): boolean {
  if (!(error instanceof SynapError)) return false;
  return error.retryable || (error instanceof ServerError && error.code.endsWith("_NOT_FOUND"));
}
