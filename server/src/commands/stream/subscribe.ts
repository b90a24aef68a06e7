/** Commands that subscribe a connection to rooms: stream.subscribe, stream.unsubscribe. */
import { ClientSession } from "../../fanout/client-session.ts";
import { named, OWN } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { type CommandError, fail, isCommandError } from "../errors.ts";
import { Integer, Name, Optional, Struct } from "../schema.ts";
import { roomNotFound } from "./create.ts";
import { generationAlone } from "./event-id.ts";

export const streamSubscribe = nodeCommand({
  name: "stream.subscribe",
  access: "read",
  guard: named("room"),
  summary: "Has a room's events pushed to this connection: history from an offset on, if one is given, then new ones.",
  arguments: Struct(
    {
      room: Name(),
      from_offset: Optional(
        Integer({ description: "The first event wanted; negative counts from the end; absent for new events only." }),
      ),
      generation: Optional(
        Integer({ minimum: 0, description: "The generation of the room that from_offset was learned from." }),
      ),
    },
    { ignored: ["subscriber_id"] },
  ),
  reply: Struct({
    subscription_id: Integer({ description: "In every push of this subscription." }),
    from_offset: Integer({ description: "Where it begins: with this event, or with the gap that it is in." }),
    newest_offset: Integer({ description: "Of the room's last event; -1 before the first." }),
    generation: Integer(),
  }),
  act(args, { rooms, fanout, limits, caller, nowMs }) {
    if (caller.outbox === undefined) return needsPushes("stream.subscribe");
    if (args.generation !== undefined && args.from_offset === undefined) return generationAlone();
    const room = rooms.find(args.room);
    if (room === undefined) return roomNotFound(args.room);
    const session = ClientSession.of(caller);
    const { subscriptionsPerConnectionMax } = limits.room;
    if (session.roomCount >= subscriptionsPerConnectionMax && !fanout.rooms.isSubscribed(session, room)) {
      return fail("INVALID_REQUEST", "this connection has as many subscriptions as it may have: end some", {
        subscriptions_max: subscriptionsPerConnectionMax,
      });
    }
    const position = { fromOffset: args.from_offset, generation: args.generation };
    const subscription = fanout.rooms.subscribe(session, room, position);
    if (isCommandError(subscription)) return subscription;
    rooms.touch(room, nowMs);
    return {
      subscription_id: subscription.subscriptionId,
      from_offset: subscription.fromOffset,
      newest_offset: subscription.newestOffset,
      generation: subscription.generation,
    };
  },
});

export const streamUnsubscribe = nodeCommand({
  name: "stream.unsubscribe",
  access: "read",
  guard: OWN,
  summary: "Ends a subscription of this connection to a room.",
  arguments: Struct(
    {
      room: Optional(Name({ description: "The room, or in its place the subscription." })),
      subscription_id: Optional(Integer({ minimum: 0 })),
    },
    { ignored: ["subscriber_id"] },
  ),
  reply: Struct({ unsubscribed: Integer({ description: "1, or 0 if there was no such subscription." }) }),
  act(args, { fanout, caller }) {
    if (caller.outbox === undefined) return needsPushes("stream.unsubscribe");
    if ((args.room === undefined) === (args.subscription_id === undefined)) {
      return fail("INVALID_PAYLOAD", "stream.unsubscribe takes either room or subscription_id", { path: "room" });
    }
    const subscription = args.room ?? args.subscription_id;
    const { session } = caller;
    if (!(session instanceof ClientSession) || subscription === undefined) return { unsubscribed: 0 };
    return { unsubscribed: fanout.rooms.unsubscribe(session, subscription) ? 1 : 0 };
  },
});

function needsPushes(command: string): CommandError {
  return fail("INVALID_REQUEST", `${command} needs a connection that pushes: GET /api/v1/ws or GET /api/v1/events`);
}
