/** Every connection command. A new family of them is added here and nowhere else. */
import { clientCommands } from "./resp-client-commands.ts";
import { commandCommands } from "./resp-command-docs.ts";
import { configCommands } from "./resp-config.ts";
import type { ConnectionCommand } from "./resp-connection-command.ts";
import { greetingCommands } from "./resp-greeting.ts";
import { helpCommands } from "./resp-help.ts";
import { serverCommands } from "./resp-server-commands.ts";
import { subscriptionCommands } from "./resp-subscriptions.ts";
import { transactionCommands } from "./resp-transactions.ts";

export const allConnectionCommands: readonly ConnectionCommand[] = [
  ...greetingCommands,
  ...transactionCommands,
  ...subscriptionCommands,
  ...configCommands,
  ...helpCommands,
  ...clientCommands,
  ...commandCommands,
  ...serverCommands,
];
