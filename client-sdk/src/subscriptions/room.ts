/**
 * Following a room. The position is the offset after the last event that came, with the room's generation: subscribing again
 * from there loses nothing, and what cannot be had any more the server names in a gap.
 *
 * A reader that is slower than the room loses nothing either: when its buffer is full it leaves the room, and when it has
 * read half of it, it comes back from where it was. The room keeps the events meanwhile, within its limits.
 */
import type { ReadOptions } from "../commander.ts";
import { validated } from "../standard-schema.ts";
import { pause } from "../timer.ts";
import { Backoff } from "../transport/backoff.ts";
import { Feed, type Push, type Sink, type SubscribeReply, type Subscribing } from "./feed.ts";
import { type Feeds, mayComeBack } from "./feeds.ts";
import { type Source, type StartedSource, Subscription, type SubscriptionOptions } from "./subscription.ts";

/** An event of a room. */
export interface RoomEvent<T> {
  readonly type: "event";
  readonly room: string;
  /** The room's generation and the event's offset. */
  readonly id: string;
  readonly offset: number;
  /** What kind of event it is. */
  readonly event: string;
  readonly data: T;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/**
 * Events that cannot be had, both offsets inclusive. `retention`: the room has dropped them. `recreated`: the room is another
 * one now; the offsets are those of the old one, and events of the new one follow from 0.
 */
export interface RoomGap {
  readonly type: "gap";
  readonly room: string;
  readonly fromOffset: number;
  readonly toOffset: number;
  readonly reason: "retention" | "recreated";
}

/** Where to begin in a room, and how to get what comes. */
export interface RoomSubscribeOptions<T>
  extends SubscriptionOptions<RoomEvent<T> | RoomGap>,
    Pick<ReadOptions<T>, "schema"> {
  /** The first event wanted; negative counts from the end. Default: new events only. */
  readonly fromOffset?: number | undefined;
  /** Of the room that `fromOffset` was learned from; if it is another one now, a gap says so. */
  readonly generation?: number | undefined;
}

interface Position {
  readonly fromOffset: number | undefined;
  readonly generation: number | undefined;
}

class RoomFeed extends Feed {
  readonly slot: string;
  readonly #room: string;
  #position: Position;
  readonly #isLive: boolean;

  constructor(room: string, position: Position) {
    super();
    this.slot = `room ${room}`;
    this.#room = room;
    this.#position = position;
    this.#isLive = position.fromOffset === undefined;
  }

  /** Only those who want new events alone can share: history is for one reader. */
  get isShareable(): boolean {
    return this.#isLive;
  }

  get position(): Position {
    return this.#position;
  }

  subscribing(): Subscribing {
    const { fromOffset, generation } = this.#position;
    return { command: "stream.subscribe", payload: { room: this.#room, from_offset: fromOffset, generation } };
  }

  unsubscribing(subscriptionId: number): Subscribing {
    return { command: "stream.unsubscribe", payload: { subscription_id: subscriptionId } };
  }

  override begun(reply: SubscribeReply): void {
    // Before the first event: a room that is lost in this moment is resumed from here.
    if (!this.hasBegun) this.#position = { fromOffset: reply.from_offset, generation: reply.generation };
    super.begun(reply);
  }

  override push(push: Push): void {
    this.#position = after(push, this.#position);
    super.push(push);
  }
}

/** Where to go on after a push. */
function after(push: Push, { generation }: Position): Position {
  if (push.type === "event")
    return { fromOffset: Number(push.offset) + 1, generation: generationOf(push) ?? generation };
  if (push.reason === "recreated") return { fromOffset: 0, generation: Number(push.generation) };
  return { fromOffset: Number(push.to_offset) + 1, generation };
}

/** Whether it was given already: each event comes once, whatever was subscribed again. */
function isBefore(push: Push, { fromOffset, generation }: Position): boolean {
  if (push.type !== "event" || fromOffset === undefined || fromOffset < 0) return false;
  return Number(push.offset) < fromOffset && generationOf(push) === generation;
}

/** An event's id is `generation-offset`. */
function generationOf({ id }: Push): number | undefined {
  const generation = Number.parseInt(String(id), 10);
  return Number.isNaN(generation) ? undefined : generation;
}

class RoomReader<T> implements Sink, Source {
  readonly #feeds: Feeds;
  readonly #room: string;
  readonly #options: RoomSubscribeOptions<T> | undefined;
  readonly #subscription: Subscription<RoomEvent<T> | RoomGap>;
  #feed: Feed | undefined;
  /** Behind what it has taken: where it goes on when it comes back. */
  #position: Position;
  #isAway = false;
  /** Its buffer has come down to half since it left. */
  #hasRoom = false;
  #isReturning = false;
  #isEnded = false;
  /** Counts how often it has left: what was on its way then is not given any more. */
  #stay = 0;
  /** Values that a schema checks late come in their order. */
  #tail: Promise<void> | undefined;

  constructor(
    feeds: Feeds,
    room: string,
    options: RoomSubscribeOptions<T> | undefined,
    subscription: Subscription<RoomEvent<T> | RoomGap>,
  ) {
    this.#feeds = feeds;
    this.#room = room;
    this.#options = options;
    this.#subscription = subscription;
    this.#position = { fromOffset: options?.fromOffset, generation: options?.generation };
  }

  join(): Promise<void> {
    const { feed, ready } = this.#feeds.join(new RoomFeed(this.#room, this.#position), this);
    this.#feed = feed;
    return ready;
  }

  take(push: Push): void {
    // One turn may bring more than fits; what comes after that was not taken, and is read again.
    if (this.#isAway || isBefore(push, this.#position)) return;
    const position = after(push, this.#position);
    try {
      const event = this.#eventOf(push);
      if (event instanceof Promise || this.#tail !== undefined) void this.#giveLate(push, event);
      else this.#subscription.take(event);
    } catch (error) {
      this.#subscription.fail(error);
    }
    // It has left while giving: the one that did not fit comes again.
    if (!this.#isAway) this.#position = position;
  }

  failed(error: unknown): void {
    this.#subscription.fail(error);
  }

  closed(): void {
    void this.#subscription.close();
  }

  overflowed(): boolean {
    this.#isAway = true;
    this.#hasRoom = false;
    this.#stay += 1;
    void this.#leave();
    return false;
  }

  relieved(): void {
    this.#hasRoom = true;
    if (this.#isAway && !this.#isReturning) void this.#comeBack(new Backoff());
  }

  /** The server may be away as well, and the room with it: it is asked for until the reader ends. */
  async #comeBack(backoff: Backoff): Promise<void> {
    this.#isReturning = true;
    while (this.#isAway && this.#hasRoom && !this.#isEnded) {
      this.#isAway = false;
      try {
        await this.join();
      } catch (error) {
        if (!mayComeBack(error)) this.#subscription.fail(error);
        this.#isAway = true;
        await pause(backoff.nextMs());
      }
    }
    this.#isReturning = false;
  }

  async ended(): Promise<void> {
    this.#isEnded = true;
    await this.#leave();
  }

  async #leave(): Promise<void> {
    const feed = this.#feed;
    this.#feed = undefined;
    if (feed !== undefined) await this.#feeds.leave(feed, this);
  }

  #eventOf(push: Push): RoomEvent<T> | RoomGap | Promise<RoomEvent<T>> {
    if (push.type === "gap") return gapOf(push);
    const schema = this.#options?.schema;
    if (schema === undefined) return eventOf(push, push.data as T);
    const data = validated(schema, push.data, `event ${String(push.id)} of ${this.#room}`);
    return data instanceof Promise ? data.then((late) => eventOf(push, late)) : eventOf(push, data);
  }

  async #giveLate(push: Push, event: RoomEvent<T> | RoomGap | Promise<RoomEvent<T>>): Promise<void> {
    const stay = this.#stay;
    const before = this.#tail;
    const mine = (async () => {
      await before;
      const ready = await event;
      // It has left since: this one comes again.
      if (stay !== this.#stay) return;
      this.#subscription.take(ready);
      const isRefused = stay !== this.#stay;
      if (isRefused && push.type === "event") {
        this.#position = { fromOffset: Number(push.offset), generation: generationOf(push) };
      }
    })();
    this.#tail = mine;
    try {
      await mine;
    } catch (error) {
      this.#subscription.fail(error);
    } finally {
      if (this.#tail === mine) this.#tail = undefined;
    }
  }
}

function eventOf<T>(push: Push, data: T): RoomEvent<T> {
  // The server's own push, field by field.
  const { room, id, offset, event, metadata, timestamp } = push as unknown as RoomEvent<T>;
  const fields = { type: "event", room, id, offset, event, data, timestamp } as const;
  return metadata === undefined ? fields : { ...fields, metadata };
}

function gapOf(push: Push): RoomGap {
  return {
    type: "gap",
    room: String(push.room),
    fromOffset: Number(push.from_offset),
    toOffset: Number(push.to_offset),
    reason: push.reason === "recreated" ? "recreated" : "retention",
  };
}

export function followRoom<T>(
  feeds: Feeds,
  room: string,
  options: RoomSubscribeOptions<T> | undefined,
): Subscription<RoomEvent<T> | RoomGap> {
  return new Subscription(options, (subscription): StartedSource => {
    const source = new RoomReader(feeds, room, options, subscription);
    return { source, ready: source.join() };
  });
}
