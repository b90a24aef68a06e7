/**
 * One subscription at the server, and those here who share it. The server counts a subscription by what it is to (a room, a
 * list of topics, a watch, a queue), once for each connection: so those who follow the same here share a feed, and two feeds
 * of one kind that cannot be shared need two connections. That is the feed's `slot`: at most one of it in a connection.
 */
import type { CommandName } from "../generated/command-map.ts";
import type { Message } from "../wire/codec.ts";

/** A push: its fields are looked at one by one. */
export type Push = Message & Readonly<Record<string, unknown>>;

export interface SubscribeReply {
  readonly subscription_id: number;
  readonly from_offset?: number;
  readonly generation?: number;
}

/** Somebody here who follows a feed. */
export interface Sink {
  take(push: Push): void;
  /** The connection is gone; it is being made again. */
  interrupted?(): void;
  /** The server pushes again. */
  resumed?(): void;
  failed(error: unknown): void;
  /** The client is closed. */
  closed(): void;
}

export interface Subscribing {
  readonly command: CommandName;
  readonly payload: object;
}

export abstract class Feed {
  /** At most one feed of a slot in a connection. */
  abstract readonly slot: string;
  /** Whether another one with the same slot may join this one. */
  abstract readonly isShareable: boolean;
  readonly sinks = new Set<Sink>();
  subscriptionId: number | undefined;
  /** Whether the server has confirmed it once. */
  hasBegun = false;

  /** What subscribes, now: a room goes on where it was. */
  abstract subscribing(): Subscribing;
  abstract unsubscribing(subscriptionId: number): Subscribing;

  /** The server has confirmed. */
  begun(reply: SubscribeReply): void {
    this.subscriptionId = reply.subscription_id;
    if (this.hasBegun) for (const sink of this.sinks) sink.resumed?.();
    this.hasBegun = true;
  }

  push(push: Push): void {
    for (const sink of this.sinks) sink.take(push);
  }

  interrupted(): void {
    this.subscriptionId = undefined;
    for (const sink of this.sinks) sink.interrupted?.();
  }

  failed(error: unknown): void {
    for (const sink of [...this.sinks]) sink.failed(error);
  }
}
