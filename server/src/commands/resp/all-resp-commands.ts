/** Every Redis name that a registry command answers. A new family of them is added here and nowhere else. */
import { keyCommands } from "./keys.ts";
import { pubsubCommands } from "./pubsub.ts";
import { queueCommands } from "./queues.ts";
import { replicationCommands } from "./replication.ts";
import type { RespCommand } from "./resp-command.ts";
import { roomCommands } from "./rooms.ts";
import { slowLogCommands } from "./slow-log.ts";
import { snapshotCommands } from "./snapshots.ts";
import { stringCommands } from "./strings.ts";

export const allRespCommands: readonly RespCommand[] = [
  ...stringCommands,
  ...keyCommands,
  ...pubsubCommands,
  ...queueCommands,
  ...roomCommands,
  ...slowLogCommands,
  ...replicationCommands,
  ...snapshotCommands,
];
