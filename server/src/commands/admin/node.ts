/** Commands on the process itself: admin.info, admin.config, admin.config.set, admin.clients, admin.commands. */
import { areKeyspaceFlags } from "../../fanout/keyspace-events.ts";
import { WHOLE } from "../access-rule.ts";
import { nodeCommand, readCommand } from "../command.ts";
import { fail } from "../errors.ts";
import { AnyObject, Choice, Flag, Integer, Items, Optional, Struct, Text } from "../schema.ts";

export const adminInfo = readCommand({
  name: "admin.info",
  access: "read",
  guard: WHOLE,
  summary: "Answers what this server is and how it does: server, memory, log, clients, keyspace.",
  atomic: false,
  arguments: Struct({}),
  reply: AnyObject({ description: "One object a section." }),
  read: (_args, { node }) => node.info(),
});

export const adminConfig = readCommand({
  name: "admin.config",
  access: "read",
  guard: WHOLE,
  shows: "nothing",
  summary: "Answers with the effective configuration, secrets redacted.",
  atomic: false,
  arguments: Struct({}),
  reply: AnyObject({ description: "By section and key, as in the file." }),
  read: (_args, { node }) => node.configuration(),
});

/** What may change while the server runs. */
const LIVE_KEYS = ["pubsub.notify_keyspace_events"] as const;

export const adminConfigSet = nodeCommand({
  name: "admin.config.set",
  access: "admin",
  guard: WHOLE,
  shows: "nothing",
  summary: "Changes a setting until the server stops.",
  arguments: Struct({ key: Choice(LIVE_KEYS), value: Text() }),
  reply: Struct({ key: Text(), value: Text({ description: "As it is now." }) }),
  act({ key, value }, { fanout }) {
    if (!areKeyspaceFlags(value)) {
      return fail("INVALID_PAYLOAD", "a letter is no class of events: use K E g $ x e, A for all, or none", {
        path: "value",
      });
    }
    fanout.keyspace.setFlags(value);
    return { key, value: fanout.keyspace.flags };
  },
});

export const adminClients = readCommand({
  name: "admin.clients",
  access: "read",
  guard: WHOLE,
  shows: "nothing",
  summary: "Answers with the connections, oldest first.",
  atomic: false,
  arguments: Struct({ limit: Optional(Integer({ minimum: 1, maximum: 10_000, default: 1_000 })) }),
  reply: Struct({
    clients: Items(
      Struct({
        id: Integer(),
        protocol: Text(),
        address: Text(),
        connected_at: Integer(),
        commands: Integer({ description: "Commands received." }),
        unread_bytes: Integer({ description: "Replies that the client has not read." }),
        token: Text({ description: "The name of its token; empty where it has none." }),
      }),
    ),
    count: Integer({ description: "All connections, listed or not." }),
  }),
  read(args, { node }) {
    const clients = node.clients();
    return { clients: clients.slice(0, args.limit ?? 1_000), count: clients.length };
  },
});

export const adminCommands = readCommand({
  name: "admin.commands",
  access: "read",
  guard: WHOLE,
  shows: "nothing",
  summary: "Answers with every command: its name, access, summary and the JSON Schema of its payload.",
  atomic: false,
  arguments: Struct({}),
  reply: Struct({
    commands: Items(
      Struct({
        name: Text(),
        access: Text(),
        atomic: Flag(),
        summary: Text(),
        arguments: AnyObject({ description: "A JSON Schema." }),
      }),
    ),
    count: Integer(),
  }),
  read(_args, { node }) {
    const commands = node.commands.map(({ name, access, atomic, summary, argumentSchema }) => ({
      name,
      access,
      atomic,
      summary,
      arguments: { ...argumentSchema },
    }));
    return { commands, count: commands.length };
  },
});
