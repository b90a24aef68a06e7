/** Commands that have the messages of topics pushed to a connection: pubsub.subscribe, pubsub.unsubscribe. */
import { matching, OWN, topicsOf } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { fail, isCommandError } from "../errors.ts";
import { Integer, Optional, Struct } from "../schema.ts";
import { connectionOf } from "./connection.ts";
import { checkPatterns, patternList } from "./topic-arguments.ts";

export const pubsubSubscribe = nodeCommand({
  name: "pubsub.subscribe",
  access: "read",
  guard: matching(topicsOf("topics")),
  shows: "nothing",
  summary: "Has the messages of topics and patterns pushed to this connection; the same list again changes nothing.",
  arguments: Struct({ topics: patternList }, { ignored: ["subscriber_id"] }),
  reply: Struct({
    subscribed: Integer({ description: "Different topics and patterns of the list." }),
    subscription_id: Integer({
      description: "In every push of this list; the same for all connections that have the same list.",
    }),
  }),
  act(args, { fanout, caller, nowMs }) {
    const connection = connectionOf(caller, "pubsub.subscribe");
    if (isCommandError(connection)) return connection;
    const problem = checkPatterns(args.topics);
    if (problem !== undefined) return problem;
    const subscribed = fanout.topics.subscribe(connection.session, connection.outbox, args.topics, nowMs);
    if (isCommandError(subscribed)) return subscribed;
    return { subscribed: subscribed.count, subscription_id: subscribed.subscriptionId };
  },
});

export const pubsubUnsubscribe = nodeCommand({
  name: "pubsub.unsubscribe",
  access: "read",
  guard: OWN,
  shows: "nothing",
  summary: "Ends subscriptions of this connection: to some topics and patterns, in whichever lists, or one whole list.",
  arguments: Struct(
    {
      topics: Optional(patternList),
      subscription_id: Optional(Integer({ minimum: 0, description: "The list to end, in the place of `topics`." })),
    },
    { ignored: ["subscriber_id"] },
  ),
  reply: Struct({
    unsubscribed: Integer({ description: "How many of them this connection was subscribed to." }),
    subscription_id: Optional(Integer({ description: "As it was given." })),
  }),
  act(args, { fanout, caller }) {
    const { topics, subscription_id } = args;
    const connection = connectionOf(caller, "pubsub.unsubscribe");
    if (isCommandError(connection)) return connection;
    if ((topics === undefined) === (subscription_id === undefined)) {
      return fail("INVALID_PAYLOAD", "say which topics, or give the subscription_id: one of the two", {
        path: "topics",
      });
    }
    if (subscription_id !== undefined) {
      return { unsubscribed: fanout.topics.unsubscribeById(connection.session, subscription_id), subscription_id };
    }
    const patterns = topics ?? [];
    const problem = checkPatterns(patterns);
    if (problem !== undefined) return problem;
    return { unsubscribed: fanout.topics.unsubscribe(connection.session, patterns) };
  },
});
