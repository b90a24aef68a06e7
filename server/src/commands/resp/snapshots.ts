/** BGSAVE of Redis. */
import type { ReplyShape } from "./reply-shapes.ts";
import { NO_KEYS, type RespCommand } from "./resp-command.ts";

const begun: ReplyShape = ({ started }: { readonly started: boolean }, sink) => {
  if (started) sink.simple("Background saving started");
  else sink.error("ERR Background save already in progress");
};

export const snapshotCommands: readonly RespCommand[] = [
  {
    name: "bgsave",
    arity: -1,
    flags: ["admin", "noscript", "no_async_loading"],
    keys: NO_KEYS,
    group: "server",
    summary: "Take a snapshot in the background",
    since: "1.0.0",
    command: "admin.snapshot",
    arguments: [],
    reply: begun,
    errors: { INVALID_REQUEST: "ERR nothing is kept on disk here: persistence.enabled is false" },
  },
];
