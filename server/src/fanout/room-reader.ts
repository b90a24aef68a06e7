/** One connection's subscription to one room: live with all the others of its feed, or behind, with a position of its own. */
import type { Outbox, PushFormat } from "../dispatch/caller.ts";
import type { Room } from "../state/room.ts";
import type { ClientSession, SessionPart } from "./client-session.ts";
import type { RoomFeed } from "./room-feed.ts";

/** Who moves readers: what their connection tells them is for it. */
export interface ReaderOwner {
  closed(reader: RoomReader): void;
  drained(reader: RoomReader): void;
}

export class RoomReader implements SessionPart {
  readonly feed: RoomFeed;
  readonly session: ClientSession;
  readonly outbox: Outbox;
  /** Changed only while it is behind: the feed has it in the list of its format otherwise. */
  format: PushFormat;
  /** While it is behind: the room it reads, undefined for one that was gone before it subscribed. */
  room: Room | undefined = undefined;
  /** While it is behind: the first offset of that room that it has not got. */
  nextOffset = 0;
  /** Live, and so among those of its format; else among those behind. Owned by the feed, as its index there is. */
  isLive = false;
  index = 0;
  /** Whether it waits for its next page. */
  isQueued = false;
  /** Turns in a row in which it had too much unread for a page. */
  turnsOver = 0;
  /** Unsubscribed, or its connection is gone. */
  isEnded = false;
  readonly #owner: ReaderOwner;

  constructor(feed: RoomFeed, session: ClientSession, outbox: Outbox, owner: ReaderOwner) {
    this.feed = feed;
    this.session = session;
    this.outbox = outbox;
    this.format = session.format;
    this.#owner = owner;
  }

  closed(): void {
    this.#owner.closed(this);
  }

  drained(): void {
    this.#owner.drained(this);
  }
}
