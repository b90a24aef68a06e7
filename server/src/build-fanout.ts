/** The fan-out and its parts, over a state and a configuration; `attach` it to the executor that holds it. */
import type { Codec } from "./codecs/codec.ts";
import type { Executor } from "./commands/execute.ts";
import type { Config } from "./config/schema.ts";
import type { Format } from "./dispatch/reply.ts";
import { type ChannelParts, Channels } from "./fanout/channels.ts";
import { Fanout } from "./fanout/fanout.ts";
import { KeyWatches } from "./fanout/key-watches.ts";
import { KeyspaceEvents } from "./fanout/keyspace-events.ts";
import { PushEncoder } from "./fanout/push-encoder.ts";
import { QueueConsumers } from "./fanout/queue-consumers.ts";
import { RoomFeeds } from "./fanout/room-feeds.ts";
import { SubscriptionCount } from "./fanout/subscription-count.ts";
import { SubscriptionIds } from "./fanout/subscription-ids.ts";
import { SubscriptionNames } from "./fanout/subscription-names.ts";
import { Topics } from "./fanout/topics.ts";
import type { TurnEnd } from "./runtime/turn-end.ts";
import type { StateMachine } from "./state/state-machine.ts";

/** A control character takes six bytes in JSON. */
const ENCODED_BYTES_PER_BYTE = 6;
/** The rest of a push: names, numbers and what is between them. */
const FRAME_BYTES = 64 * 1024;

export interface FanoutParts {
  readonly config: Pick<Config, "kvStore" | "queue" | "stream" | "pubsub">;
  readonly state: StateMachine;
  readonly codecs: Readonly<Record<Format, Codec>>;
  readonly turnEnd: TurnEnd;
  readonly clock: { nowMs(): number; monotonicMs(): number };
  /** 53 random bits, for hashes of what clients choose. */
  readonly seed: number;
  /** Connections cut off since they did not read, so far. */
  readonly slowConsumersDropped: () => number;
}

export function buildFanout({
  config,
  state,
  codecs,
  turnEnd,
  clock,
  seed,
  slowConsumersDropped,
}: FanoutParts): Fanout {
  const { kvStore, queue, stream, pubsub } = config;
  const contentBytesMax = Math.max(
    kvStore.maxValueBytes,
    queue.maxMessageBytes,
    stream.maxEventBytes,
    pubsub.maxMessageBytes,
  );
  const encoder = new PushEncoder(codecs, contentBytesMax * ENCODED_BYTES_PER_BYTE + FRAME_BYTES);
  const ids = new SubscriptionIds();
  const subscriptions = new SubscriptionCount(pubsub.maxSubscriptions);
  const subscribedNames = new SubscriptionNames(pubsub.maxNameBytes);
  const subscriptionsPerConnectionMax = pubsub.maxSubscriptionsPerConnection;
  const keyspace = new KeyspaceEvents(
    buildChannels(pubsub, { encoder, turnEnd, subscriptions, subscribedNames, seed }),
  );
  keyspace.setFlags(pubsub.notifyKeyspaceEvents);
  return new Fanout({
    channels: keyspace.channels,
    keyspace,
    consumers: new QueueConsumers({
      store: state.queues,
      encoder,
      turnEnd,
      ids,
      subscriptions,
      clock,
      consumersMax: queue.maxConsumers,
      prefetchMax: queue.maxPrefetch,
    }),
    rooms: new RoomFeeds({
      rooms: state.rooms,
      state,
      encoder,
      turnEnd,
      clock,
      ids,
      subscriptions,
      idleMs: stream.idleRoomSecs * 1000,
    }),
    topics: new Topics({
      encoder,
      ids,
      subscriptions,
      subscribedNames,
      turnEnd,
      seed,
      startedAtMs: clock.nowMs(),
      slowConsumersDropped,
      limits: {
        messageBytesMax: pubsub.maxMessageBytes,
        subscriptionsPerConnectionMax,
        patternsMax: pubsub.maxPatterns,
        costlyPatternsMax: pubsub.maxCostlyPatterns,
      },
    }),
    watches: new KeyWatches({
      keys: state.keys,
      encoder,
      ids,
      subscriptions,
      subscribedNames,
      turnEnd,
      seed,
      limits: {
        watchesPerConnectionMax: subscriptionsPerConnectionMax,
        watchesMax: pubsub.maxWatches,
        globsMax: pubsub.maxWatchGlobs,
      },
    }),
  });
}

function buildChannels(pubsub: Config["pubsub"], parts: Omit<ChannelParts, "limits">): Channels {
  const limits = {
    subscriptionsPerConnectionMax: pubsub.maxSubscriptionsPerConnection,
    channelsMax: pubsub.maxPatterns,
    globsMax: pubsub.maxWatchGlobs,
  };
  return new Channels({ ...parts, limits });
}

/** Gives the fan-out what commits its own records: deliveries, and what is due. */
export function attachFanout(fanout: Fanout, executor: Executor): void {
  fanout.consumers.attach(executor);
  fanout.rooms.attach(executor);
}
