/** Event rooms. */
import { type CallOptions, type Commander, field, reply } from "../commander.ts";
import type {
  StreamConsumeOptions,
  StreamCreateOptions,
  StreamGetOrCreateOptions,
  StreamListOptions,
  StreamListReply,
  StreamPublishBatchReply,
  StreamPublishOptions,
  StreamPublishReply,
  StreamStatsReply,
} from "../generated/shapes.ts";
import { payloadOf } from "../naming.ts";
import type { RoomEvent, RoomGap, RoomSubscribeOptions } from "../subscriptions/room.ts";
import type { Subscriber } from "../subscriptions/subscriber.ts";
import type { Subscription } from "../subscriptions/subscription.ts";

/** An event to publish among others. */
export interface NewEvent extends StreamPublishOptions {
  readonly event: string;
  readonly data: unknown;
}

/** Events of a room, and how to go on. */
export interface RoomPage<T> {
  readonly events: readonly Omit<RoomEvent<T>, "type" | "room">[];
  /** Of the oldest event that is there; the next event's if there is none. */
  readonly oldestOffset: number;
  /** Of the last event ever published; -1 before the first. */
  readonly newestOffset: number;
  /** Where to read on: all before it is in the events or in the gap. */
  readonly nextOffset: number;
  /** Another one means another room of the same name, with offsets of its own. */
  readonly generation: number;
  /** Offsets asked for whose events are gone. */
  readonly gap?: { readonly fromOffset: number; readonly toOffset: number; readonly reason: "retention" | "recreated" };
}

/** `synap.stream`. Publishing is numbered: after a lost connection it is sent again and happens once. */
export class Stream {
  readonly #commander: Commander;
  readonly #subscriber: Subscriber;

  constructor(commander: Commander, subscriber: Subscriber) {
    this.#commander = commander;
    this.#subscriber = subscriber;
  }

  /** Creates a room. @throws RoomExistsError */
  async create(room: string, options?: StreamCreateOptions & CallOptions): Promise<void> {
    await this.#commander.send("stream.create", payloadOf({ room }, options), undefined, options);
  }

  /** Makes sure that a room is there. @returns whether this created it. */
  getOrCreate(room: string, options?: StreamGetOrCreateOptions & CallOptions): Promise<boolean> {
    return this.#commander.send("stream.get_or_create", payloadOf({ room }, options), field("created"), options);
  }

  /** Publishes an event; the room is created where it is not there. */
  publish(
    room: string,
    event: string,
    data: unknown,
    options?: StreamPublishOptions & CallOptions,
  ): Promise<StreamPublishReply> {
    return this.#commander.send("stream.publish", payloadOf({ room, event, data }, options), reply, options);
  }

  /** Publishes up to 1,000 events, all or none. */
  publishBatch(room: string, events: readonly NewEvent[], options?: CallOptions): Promise<StreamPublishBatchReply> {
    const payload = { room, events: events.map((event) => payloadOf({}, event)) };
    return this.#commander.send("stream.publish_batch", payload, reply, options);
  }

  /** Reads one page of a room. @throws RoomNotFoundError; with `strict`, OffsetTrimmedError */
  consume<T = unknown>(room: string, options?: StreamConsumeOptions & CallOptions): Promise<RoomPage<T>> {
    return this.#commander.send("stream.consume", payloadOf({ room }, options), reply, options);
  }

  /** As `consume`. */
  history<T = unknown>(room: string, options?: StreamConsumeOptions & CallOptions): Promise<RoomPage<T>> {
    return this.#commander.send("stream.history", payloadOf({ room }, options), reply, options);
  }

  /**
   * Follows a room: history from `fromOffset` on (negative: that many from the end), then every new event, each once and in
   * order. It goes on where it was after a lost connection, a restart or a promotion. What is gone for good comes as a `gap`.
   *
   *     for await (const event of synap.stream.subscribe("chat", { fromOffset: -50 })) ...
   */
  subscribe<T = unknown>(room: string, options?: RoomSubscribeOptions<T>): Subscription<RoomEvent<T> | RoomGap> {
    return this.#subscriber.room(room, options);
  }

  /** One page of the names of rooms. */
  list(options?: StreamListOptions & CallOptions): Promise<StreamListReply> {
    return this.#commander.send("stream.list", payloadOf({}, options), reply, options);
  }

  /** Removes a room and its events. @returns whether it was there. */
  delete(room: string, options?: CallOptions): Promise<boolean> {
    return this.#commander.send("stream.delete", { room }, field("deleted"), options);
  }

  /** Counts of a room. @throws RoomNotFoundError */
  stats(room: string, options?: CallOptions): Promise<StreamStatsReply> {
    return this.#commander.send("stream.stats", { room }, reply, options);
  }
}
