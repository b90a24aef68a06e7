/**
 * Who gets what on this node: rooms to their subscribers, messages to consumers, topics, changes of keys. None of it is
 * state: a restart begins without subscribers, and no other node knows of them.
 *
 *     commit --> committed(record) --> consumers   ready messages to those who wait, oldest first
 *                                  --> rooms       new events to live subscribers, one frame per format
 *                                  --> watches     what became of the keys
 *                                --> keyspace    the same as messages to channels, where asked for
 *     pubsub.publish ------------> topics          not in the log
 *                    ------------> channels        those of Redis
 */
import { isUtf8 } from "node:buffer";
import { CommandError } from "../commands/errors.ts";
import type { Value } from "../state/value.ts";
import type { ByteRange } from "../structures/byte-range.ts";
import { topicProblem } from "../structures/topic-problem.ts";
import type { Channels } from "./channels.ts";
import type { KeyWatches } from "./key-watches.ts";
import type { KeyspaceEvents, Origin } from "./keyspace-events.ts";
import type { QueueConsumers } from "./queue-consumers.ts";
import type { RoomFeeds } from "./room-feeds.ts";
import type { Published, Topics } from "./topics.ts";

/** A message as it was published on its node. */
export interface PublishedMessage {
  readonly messageId: string;
  /** A topic, or a channel of any bytes. */
  readonly name: ByteRange;
  readonly data: Value;
  readonly headers: Value | undefined;
  readonly timestampMs: number;
}

export class Fanout {
  readonly consumers: QueueConsumers;
  readonly rooms: RoomFeeds;
  readonly topics: Topics;
  readonly channels: Channels;
  readonly watches: KeyWatches;
  readonly keyspace: KeyspaceEvents;

  /** Is told what was published here, for subscribers on other nodes; the message is gone when it returns. */
  onPublished: ((message: PublishedMessage) => void) | undefined;

  constructor(parts: Pick<Fanout, "consumers" | "rooms" | "topics" | "channels" | "watches" | "keyspace">) {
    this.consumers = parts.consumers;
    this.rooms = parts.rooms;
    this.topics = parts.topics;
    this.channels = parts.channels;
    this.watches = parts.watches;
    this.keyspace = parts.keyspace;
  }

  /** Whether anybody wants to know of changes of keys. */
  get hasKeyReaders(): boolean {
    return this.watches.isWatched || this.keyspace.isOn;
  }

  /**
   * Pushes a message to all who are subscribed to its topic or channel. What it holds is encoded before this returns. Errors:
   * PAYLOAD_TOO_LARGE.
   * @param name a topic, or a channel of any bytes: one that could not be a topic matches no pattern of topics.
   * @param headers a JSON object, which readers of channels do not get.
   * @param couldBeTopic whether `name` is a topic, where the caller knows.
   */
  publish(
    name: ByteRange,
    data: Value,
    headers: Value | undefined,
    nowMs: number,
    couldBeTopic = isTopic(name),
  ): Published | CommandError {
    const published = this.#publish(name, data, headers, nowMs, couldBeTopic, this.topics.nextMessageId());
    if (published instanceof CommandError) return published;
    this.onPublished?.({ messageId: published.messageId, name, data, headers, timestampMs: nowMs });
    return published;
  }

  /** The same, for a message that was published on the master of this node. */
  publishCopied({ messageId, name, data, headers, timestampMs }: PublishedMessage): Published | CommandError {
    return this.#publish(name, data, headers, timestampMs, isTopic(name), messageId);
  }

  #publish(
    name: ByteRange,
    data: Value,
    headers: Value | undefined,
    nowMs: number,
    couldBeTopic: boolean,
    messageId: string,
  ): Published | CommandError {
    const published = this.topics.publish(name, data, headers, nowMs, couldBeTopic, messageId);
    if (published instanceof CommandError || !this.channels.hasSubscribers) return published;
    return { messageId, matchedCount: published.matchedCount + this.channels.publish(name, data, 0) };
  }

  /** About what subscriptions take in memory, of all kinds, and what waits for subscribers of topics and keys. */
  get heldBytes(): number {
    const { consumers, rooms, topics, channels, watches } = this;
    return consumers.heldBytes + rooms.heldBytes + topics.heldBytes + channels.heldBytes + watches.heldBytes;
  }

  /**
   * A record was applied. May commit records of its own: deliveries to those who waited.
   * @param record its operations, `record[0..length)`; gone when this returns or commits.
   * @param lastOffset that of its last operation: who is told of the record may not hear of it before this is released.
   * @param origins the commands that wrote them, as far as anybody asks; gone likewise.
   */
  committed(
    record: Uint8Array,
    length: number,
    firstOffset: number,
    lastOffset: number,
    origins: readonly Origin[],
  ): void {
    try {
      if (this.keyspace.isOn) this.keyspace.committed(record, length, lastOffset, origins);
      if (this.watches.isWatched) this.watches.committed(record, length, firstOffset, lastOffset);
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

/** Whether a channel is a topic too, for those who subscribe to topics. */
function isTopic({ bytes, start, end }: ByteRange): boolean {
  return topicProblem(bytes, start, end) === undefined && isUtf8(bytes.subarray(start, end));
}
