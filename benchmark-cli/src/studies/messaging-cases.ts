/** The commands of queues, rooms and publish/subscribe whose latency is measured, each with what it needs beforehand. */
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { type PacedLane, UNMEASURED } from "../load/paced-lane.ts";
import { frameFor, perform } from "../load/requests.ts";
import { drawValue, VALUE_BYTES } from "../load/workload.ts";
import { roomName } from "../rooms/room-dialects.ts";
import { topicName } from "../topics/topic-plan.ts";

export const MESSAGING_COMMANDS = [
  "queue.publish",
  "queue.consume",
  "queue.ack",
  "stream.publish",
  "stream.subscribe",
  "pubsub.publish",
] as const;
export type MessagingCommand = (typeof MESSAGING_COMMANDS)[number];

export interface MessagingCase {
  /** So that `count` more requests can be sent. */
  prepare(count: number): Promise<void>;
  send(lane: PacedLane, dueMs: number): void;
}

const QUEUE = "latency";
const BATCH = 1_000;
const ROOMS = 100;
const TOPICS = 1_000;
const QUEUE_DEPTH_MAX = 10_000_000;
const PATTERNS_PER_COMMAND = 100;
const PATTERNS_PER_CONNECTION = 5_000;
/** Longer than any run, so that nothing comes back. */
const DEADLINE_SECS = 3_600;

/** @param size messages that are in the queue besides, or patterns that match nothing */
export async function messagingCase(command: MessagingCommand, port: number, size: number): Promise<MessagingCase> {
  const socket = await openWebSocket(port);
  if (command.startsWith("queue.")) {
    await perform(socket, "queue.create", { name: QUEUE, config: { max_depth: QUEUE_DEPTH_MAX } });
    await fill(socket, size);
  }
  switch (command) {
    case "queue.publish":
      return inTurn(
        Array.from({ length: 10 }, (_, priority) => ({ queue: QUEUE, priority, payload: value() })),
        command,
      );
    case "queue.consume":
      return { ...inTurn([{ queue: QUEUE, ack_deadline: DEADLINE_SECS }], command), prepare: (n) => fill(socket, n) };
    case "queue.ack":
      return acknowledgements(socket);
    case "stream.publish": {
      await createRooms(socket);
      return inTurn(
        rooms().map((room) => ({ room, event: "reading", data: value() })),
        command,
      );
    }
    case "stream.subscribe":
      await createRooms(socket);
      return subscriptions();
    case "pubsub.publish": {
      const topics = Array.from({ length: TOPICS }, (_, topic) => topicName(topic));
      await subscribeTo(socket, topics);
      await subscribeBesides(port, size);
      return inTurn(
        topics.map((topic) => ({ topic, payload: value() })),
        command,
      );
    }
  }
}

async function subscribeTo(socket: ClientSocket, patterns: readonly string[]): Promise<void> {
  for (let first = 0; first < patterns.length; first += PATTERNS_PER_COMMAND) {
    await perform(socket, "pubsub.subscribe", { topics: patterns.slice(first, first + PATTERNS_PER_COMMAND) });
  }
}

/** Patterns that share levels with the topics that are published, and match none of them. */
async function subscribeBesides(port: number, count: number): Promise<void> {
  for (let first = 0; first < count; first += PATTERNS_PER_CONNECTION) {
    const own = Math.min(PATTERNS_PER_CONNECTION, count - first);
    const patterns = Array.from({ length: own }, (_, i) => {
      const number = first + i;
      return `g${number % 10}.${number % 2 === 0 ? "*" : `h${number % 50}`}.k${number}.*`;
    });
    await subscribeTo(await openWebSocket(port), patterns);
  }
}

function value(): string {
  return drawValue(VALUE_BYTES);
}

function rooms(): string[] {
  return Array.from({ length: ROOMS }, (_, room) => roomName(room));
}

async function createRooms(socket: ClientSocket): Promise<void> {
  for (const room of rooms()) await perform(socket, "stream.get_or_create", { room });
}

/** Sends one request after the other, and again from the first. */
function inTurn(payloads: readonly object[], command: MessagingCommand): MessagingCase {
  const frames = payloads.map((payload) => frameFor({ command, payload }));
  let sent = 0;
  return {
    prepare: async () => undefined,
    send: (lane, dueMs) => lane.send(frames[sent++ % frames.length], dueMs),
  };
}

async function fill(socket: ClientSocket, count: number): Promise<void> {
  for (let stored = 0; stored < count; stored += BATCH) {
    const messages = Array.from({ length: Math.min(BATCH, count - stored) }, () => ({ payload: value() }));
    await perform(socket, "queue.publish_batch", { queue: QUEUE, messages });
  }
}

interface Taken {
  readonly messages: readonly { readonly id: unknown; readonly delivery_id: unknown }[];
}

/** Takes the messages beforehand and encodes what acknowledges each. */
function acknowledgements(socket: ClientSocket): MessagingCase {
  let frames: Buffer[] = [];
  let sent = 0;
  return {
    async prepare(count) {
      await fill(socket, count);
      frames = [];
      sent = 0;
      while (frames.length < count) {
        const request = { queue: QUEUE, count: Math.min(BATCH, count - frames.length), ack_deadline: DEADLINE_SECS };
        // The contract's reply of queue.consume with a count.
        const { messages } = (await perform(socket, "queue.consume", request)) as Taken;
        if (messages.length === 0) throw new Error("the queue has no more messages");
        for (const { id, delivery_id } of messages) {
          frames.push(frameFor({ command: "queue.ack", payload: { queue: QUEUE, message_id: id, delivery_id } }));
        }
      }
    },
    send: (lane, dueMs) => lane.send(frames[sent++], dueMs),
  };
}

/** Each lane subscribes to a room and ends it again; only the first of the two is measured. */
function subscriptions(): MessagingCase {
  const subscribe = rooms().map((room) => frameFor({ command: "stream.subscribe", payload: { room } }));
  const unsubscribe = rooms().map((room) => frameFor({ command: "stream.unsubscribe", payload: { room } }));
  let sent = 0;
  return {
    prepare: async () => undefined,
    send(lane, dueMs) {
      const room = sent++ % ROOMS;
      lane.send(subscribe[room], dueMs);
      lane.send(unsubscribe[room], UNMEASURED);
    },
  };
}
