/**
 * Rooms, their feeds and connections that are as fast or slow as a test wants them, without sockets, commands or a log. Each
 * subscription is followed push by push: it must get every event once and in order, with gaps for what is really gone.
 */
import { unrestrictedGrant } from "../src/access/grant.ts";
import { JsonCodec } from "../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../src/codecs/msgpack/message-pack-codec.ts";
import { isCommandError } from "../src/commands/errors.ts";
import type { Caller, PushFormat } from "../src/dispatch/caller.ts";
import { ClientSession } from "../src/fanout/client-session.ts";
import { PushEncoder } from "../src/fanout/push-encoder.ts";
import { RoomFeeds, type RoomPosition, type RoomSubscription } from "../src/fanout/room-feeds.ts";
import { SubscriptionCount } from "../src/fanout/subscription-count.ts";
import { SubscriptionIds } from "../src/fanout/subscription-ids.ts";
import { ManualClock } from "../src/runtime/clock.ts";
import { TurnEnd } from "../src/runtime/turn-end.ts";
import { OperationWriter } from "../src/state/operation.ts";
import type { Room, RoomConfig } from "../src/state/room.ts";
import { writeRoomCreate, writeRoomDelete, writeRoomPublish, writeRoomTrim } from "../src/state/room-operation.ts";
import { RoomStore } from "../src/state/room-store.ts";
import { rangeOf } from "../src/structures/byte-range.ts";
import { json, msgpack } from "./conformance/format.ts";
import { storedValue } from "./engine.ts";

const CODEC_LIMITS = { batchCommandsMax: 10, valueBytesMax: 2 ** 20 };
const NONE = rangeOf("");

export type Push = Readonly<Record<string, unknown>>;

/** What was published, by room name, generation and offset. */
type Published = Map<string, Map<number, string[]>>;

export class RoomsUnderTest {
  readonly rooms = new RoomStore();
  readonly clock = new ManualClock();
  readonly subscriptions: SubscriptionCount;
  readonly feeds: RoomFeeds;
  readonly published: Published = new Map();
  /** What passes between two looks at the clock. */
  lookMs = 0;
  #looks = 0;
  #deferred: (() => void)[] = [];
  #offset = 1;

  constructor(subscriptionsMax = 1000) {
    this.subscriptions = new SubscriptionCount(subscriptionsMax);
    const codecs = { json: new JsonCodec(CODEC_LIMITS), msgpack: new MessagePackCodec(CODEC_LIMITS) };
    this.feeds = new RoomFeeds({
      rooms: this.rooms,
      state: { appliedOffset: 0 },
      encoder: new PushEncoder(codecs, 2 ** 22),
      turnEnd: new TurnEnd((run) => this.#deferred.push(run)),
      clock: { nowMs: () => this.clock.nowMs(), monotonicMs: () => this.#monotonicMs() },
      ids: new SubscriptionIds(),
      subscriptions: this.subscriptions,
      idleMs: 0,
    });
  }

  #monotonicMs(): number {
    return ++this.#looks * this.lookMs;
  }

  /** The end of one turn of the loop; false if nothing was to be done. */
  endTurn(): boolean {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) run();
    return deferred.length > 0;
  }

  endTurns(): void {
    for (let turns = 0; this.endTurn(); turns++) {
      if (turns > 10_000) throw new Error("the turns do not end");
    }
  }

  find(name: string): Room | undefined {
    return this.rooms.find(rangeOf(name));
  }

  existing(name: string): Room {
    const room = this.find(name);
    if (room === undefined) throw new Error(`no room ${name}`);
    return room;
  }

  #commit(write: (writer: OperationWriter) => void): void {
    const writer = new OperationWriter();
    write(writer);
    for (let at = 0; at < writer.length; ) at = this.rooms.apply(writer.bytes, at, writer.length, this.#offset++);
    this.feeds.committed();
  }

  create(name: string, config: Partial<RoomConfig> = {}): Room {
    const whole = { maxEvents: 10_000, maxBytes: 2 ** 24, retentionMs: 0, dedupIdsMax: 0, ...config };
    this.#commit((writer) => writeRoomCreate(writer, rangeOf(name), whole, this.clock.nowMs()));
    const room = this.existing(name);
    const generations = this.published.get(name) ?? new Map<number, string[]>();
    this.published.set(name, generations.set(room.id, []));
    return room;
  }

  /** Publishes so many events as one record. */
  publish(name: string, count = 1, bytes = 4): void {
    const room = this.existing(name);
    const published = this.published.get(name)?.get(room.id) ?? [];
    this.#commit((writer) => {
      for (let i = 0; i < count; i++) {
        const offset = published.length;
        const data = `${room.id}-${offset}`.padEnd(bytes, ".");
        published.push(data);
        const event = { event: rangeOf("e"), data: storedValue(data), metadata: NONE, dedupId: NONE };
        writeRoomPublish(writer, room.id, event, offset, this.clock.nowMs());
      }
    });
  }

  delete(name: string): void {
    const { id } = this.existing(name);
    this.#commit((writer) => writeRoomDelete(writer, id));
  }

  /** Ends what is over its age. */
  trimDue(): void {
    const nowMs = this.clock.nowMs();
    for (let room = this.rooms.dueTrim(nowMs); room !== undefined; room = this.rooms.dueTrim(nowMs)) {
      const { id } = room;
      const target = this.rooms.trimTarget(room, nowMs);
      this.#commit((writer) => writeRoomTrim(writer, id, target));
    }
  }
}

/** A subscription as its client sees it. */
interface Followed {
  readonly room: string;
  /** Of the room that the next event is in. */
  generation: number;
  nextOffset: number;
  /** The generation that it claimed to come from was not that of the room: the first push says so. */
  isForeign: boolean;
}

let callerCount = 0;

export class FakeConnection {
  readonly session: ClientSession;
  readonly caller: Caller;
  readonly format: PushFormat;
  readonly pushes: Push[] = [];
  readonly frames: Uint8Array[] = [];
  readonly followed = new Map<string, Followed>();
  /** It is cut off when more than this is unread. */
  unreadBytesMax = 2 ** 30;
  unread = 0;
  isOpen = true;
  readonly #under: RoomsUnderTest;

  constructor(under: RoomsUnderTest, format: PushFormat = "json") {
    this.#under = under;
    this.format = format;
    this.caller = {
      id: ++callerCount,
      protocol: format === "sse" ? "sse" : "websocket",
      address: "127.0.0.1",
      connectedAtMs: 0,
      commandCount: 0,
      unreadBytes: () => this.unread,
      session: undefined,
      grant: unrestrictedGrant(),
      expel: () => {},
      answerLate: () => {},
      outbox: { push: (frame, isBinary) => this.#take(frame, isBinary) },
      pushFormat: format,
    };
    this.session = ClientSession.of(this.caller);
  }

  subscribe(name: string, position: RoomPosition = {}): RoomSubscription {
    const room = this.#under.existing(name);
    const subscription = this.#under.feeds.subscribe(this.session, room, position);
    if (isCommandError(subscription)) throw new Error(subscription.message);
    const { fromOffset, generation } = position;
    const isAbsolute = fromOffset !== undefined && fromOffset >= 0;
    const isForeign = isAbsolute && ((generation ?? room.id) !== room.id || fromOffset > room.nextOffset);
    this.followed.set(name, {
      room: name,
      generation: isForeign ? -1 : room.id,
      nextOffset: isForeign ? fromOffset : subscription.fromOffset,
      isForeign,
    });
    return subscription;
  }

  unsubscribe(name: string): boolean {
    this.followed.delete(name);
    return this.#under.feeds.unsubscribe(this.session, rangeOf(name));
  }

  /** The peer has read everything. */
  read(): void {
    this.unread = 0;
    this.session.drained();
  }

  /** The peer takes at once what the turn has for it, so that nothing is drained later. */
  flush(): void {
    this.unread = 0;
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.followed.clear();
    this.session.closed();
  }

  #take(frame: Uint8Array, isBinary: boolean): boolean {
    if (!this.isOpen) return false;
    if (isBinary !== (this.format === "msgpack")) throw new Error("a frame of the other kind");
    this.unread += frame.length;
    if (this.unread > this.unreadBytesMax) {
      this.close();
      return false;
    }
    const push = decode(frame, this.format);
    this.frames.push(frame);
    this.pushes.push(push);
    this.#follow(push);
    return true;
  }

  /** Throws where this is not what has to come next. */
  #follow(push: Push): void {
    const followed = this.followed.get(String(push.room));
    // Events of a subscription begin after its reply, which sets what is followed.
    if (followed === undefined) throw new Error(`a push for a room without a subscription: ${show(push)}`);
    if (push.type === "event") this.#followEvent(followed, push);
    else if (push.reason === "retention") this.#followGap(followed, push);
    else this.#followRecreation(followed, push);
  }

  #followEvent(followed: Followed, push: Push): void {
    const { generation, nextOffset } = followed;
    const data = this.#under.published.get(followed.room)?.get(generation)?.[nextOffset];
    if (push.offset !== nextOffset || push.id !== `${generation}-${nextOffset}` || push.data !== data) {
      throw new Error(`event ${generation}-${nextOffset} has to come next, not ${show(push)}`);
    }
    followed.nextOffset++;
  }

  #followGap(followed: Followed, push: Push): void {
    const room = this.#under.existing(followed.room);
    const toOffset = Number(push.to_offset);
    const isRight = push.from_offset === followed.nextOffset && toOffset >= followed.nextOffset;
    const isGone = toOffset < this.#under.rooms.oldestVisible(room, this.#under.clock.nowMs());
    if (!isRight || !isGone || followed.generation !== room.id) {
      throw new Error(`not the gap that begins at ${followed.generation}-${followed.nextOffset}: ${show(push)}`);
    }
    followed.nextOffset = toOffset + 1;
  }

  #followRecreation(followed: Followed, push: Push): void {
    const { generation, nextOffset } = followed;
    const published = this.#under.published.get(followed.room)?.get(generation)?.length ?? 0;
    const isRight = push.from_offset === nextOffset && push.to_offset === Math.max(nextOffset, published - 1);
    const current = this.#under.existing(followed.room).id;
    if (push.reason !== "recreated" || !isRight || push.generation !== current || generation === current) {
      throw new Error(`not the end of room ${generation} at ${nextOffset}: ${show(push)}`);
    }
    followed.generation = current;
    followed.nextOffset = 0;
  }

  /** Throws where a subscription has not got all there is. */
  checkComplete(): void {
    for (const { room: name, generation, nextOffset } of this.followed.values()) {
      const room = this.#under.find(name);
      if (room === undefined || (room.id === generation && room.nextOffset === nextOffset)) continue;
      throw new Error(`${name}: at ${generation}-${nextOffset} of ${room.id}-${room.nextOffset}`);
    }
  }
}

function decode(frame: Uint8Array, format: PushFormat): Push {
  const bytes = Buffer.from(frame);
  // What an object from the wire is.
  if (format === "msgpack") return msgpack.decode(bytes) as Push;
  if (format === "json") return json.decode(bytes) as Push;
  const data = bytes
    .toString()
    .split("\n")
    .filter((line) => line.startsWith("data: "));
  const push = json.decode(Buffer.from(data.map((line) => line.slice(6)).join("\n"))) as Push;
  const id = /^id: (.*)$/m.exec(bytes.toString())?.[1];
  if (push.type === "gap" ? !isGapId(id, push) : id !== push.id) throw new Error(`an event stream's id: ${bytes}`);
  return push;
}

/** An event stream goes on after the gap, in the room that is there now. */
function isGapId(id: string | undefined, { reason, generation, to_offset }: Push): boolean {
  const [, room = "", offset = ""] = /^(\d+)-(-1|\d+)$/.exec(id ?? "") ?? [];
  return reason === "recreated" ? room === String(generation) && offset === "-1" : offset === String(to_offset);
}

function show(push: Push): string {
  return JSON.stringify(push).slice(0, 200);
}
