/** Commands that have a queue's messages pushed to a connection: queue.subscribe, queue.unsubscribe. */
import { ClientSession } from "../../fanout/client-session.ts";
import { named, OWN } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { fail, isCommandError } from "../errors.ts";
import { Flag, Integer, Name, Optional, Struct } from "../schema.ts";
import { ACK_DEADLINE_SECS_MAX } from "./queue-config.ts";
import { queueNotFound } from "./queue-planner.ts";

const PREFETCH_DEFAULT = 10;

export const queueSubscribe = nodeCommand({
  name: "queue.subscribe",
  access: "write",
  guard: named("queue"),
  summary: "Has the messages of a queue pushed to this WebSocket, a second time with another prefetch or ack_deadline.",
  needsMaster: true,
  arguments: Struct(
    {
      queue: Name({ aliases: ["name"] }),
      prefetch: Optional(
        Integer({
          minimum: 1,
          default: PREFETCH_DEFAULT,
          description: "The most messages that are pushed and not acknowledged.",
        }),
      ),
      ack_deadline: Optional(
        Integer({ minimum: 1, maximum: ACK_DEADLINE_SECS_MAX, description: "Seconds; else what the queue says." }),
      ),
    },
    { ignored: ["consumer_id"] },
  ),
  reply: Struct({ subscription_id: Integer() }),
  act(args, { queues, fanout, caller }) {
    const queue = queues.find(args.queue);
    if (queue === undefined) return queueNotFound(args.queue);
    const subscription = fanout.consumers.subscribe(ClientSession.of(caller), queue, {
      prefetch: args.prefetch ?? PREFETCH_DEFAULT,
      ackDeadlineMs: args.ack_deadline === undefined ? undefined : args.ack_deadline * 1000,
    });
    return isCommandError(subscription) ? subscription : { subscription_id: subscription.id };
  },
});

export const queueUnsubscribe = nodeCommand({
  name: "queue.unsubscribe",
  access: "write",
  guard: OWN,
  summary: "Ends a subscription of this connection; what it has not acknowledged is ready again.",
  arguments: Struct(
    {
      queue: Optional(Name({ aliases: ["name"] })),
      subscription_id: Optional(Integer({ minimum: 1 })),
    },
    { ignored: ["consumer_id"] },
  ),
  reply: Struct({ success: Flag({ description: "False where there was no such subscription." }) }),
  act(args, { fanout, caller }) {
    const key = args.subscription_id ?? args.queue?.toString();
    if (key === undefined || (args.subscription_id !== undefined && args.queue !== undefined)) {
      return fail("INVALID_PAYLOAD", "give either queue or subscription_id", { path: "queue" });
    }
    const subscription = fanout.consumers.find(ClientSession.of(caller), key);
    if (subscription === undefined) return { success: false };
    fanout.consumers.unsubscribe(subscription);
    return { success: true };
  },
});
