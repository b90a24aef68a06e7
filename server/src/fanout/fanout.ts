/**
 * Who gets what on this node: rooms to their subscribers, messages to consumers, topics, changes of keys. None of it is
 * state: a restart begins without subscribers, and no other node knows of them.
 *
 *     commit --> committed(record) --> consumers   ready messages to those who wait, oldest first
 *                                  --> rooms       new events to live subscribers, one frame per format
 *                                  --> watches     what became of the keys
 *     pubsub.publish ------------> topics          not in the log
 */
import type { KeyWatches } from "./key-watches.ts";
import type { QueueConsumers } from "./queue-consumers.ts";
import type { RoomFeeds } from "./room-feeds.ts";
import type { Topics } from "./topics.ts";

export class Fanout {
  readonly consumers: QueueConsumers;
  readonly rooms: RoomFeeds;
  readonly topics: Topics;
  readonly watches: KeyWatches;

  constructor(parts: Pick<Fanout, "consumers" | "rooms" | "topics" | "watches">) {
    this.consumers = parts.consumers;
    this.rooms = parts.rooms;
    this.topics = parts.topics;
    this.watches = parts.watches;
  }

  /** About what subscriptions take in memory, of all kinds, and what waits for subscribers of topics and keys. */
  get heldBytes(): number {
    const { consumers, rooms, topics, watches } = this;
    return consumers.heldBytes + rooms.heldBytes + topics.heldBytes + watches.heldBytes;
  }

  /**
   * A record was applied. May commit records of its own: deliveries to those who waited.
   * @param record its operations, `record[0..length)`; gone when this returns or commits.
   */
  committed(record: Uint8Array, length: number, firstOffset: number): void {
    try {
      if (this.watches.isWatched) this.watches.committed(record, length, firstOffset);
    } finally {
      // A bug in one of them must not keep the others from what they will not be told again.
      try {
        this.rooms.committed();
      } finally {
        this.consumers.committed();
      }
    }
  }
}
