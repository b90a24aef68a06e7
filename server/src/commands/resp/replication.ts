/** WAIT of Redis. Whose replica a node is, is said at its start, so there is no REPLICAOF. */
import { integer as integerField } from "./reply-shapes.ts";
import { integer, NO_KEYS, type RespCommand } from "./resp-command.ts";

const REPLICAS_MAX = 100;
const TIMEOUT_MS_MAX = 86_400_000;

export const replicationCommands: readonly RespCommand[] = [
  {
    name: "wait",
    arity: 3,
    flags: ["noscript"],
    keys: NO_KEYS,
    group: "generic",
    summary: "Wait for the replication of all the write commands sent",
    since: "3.0.0",
    command: "admin.wait",
    arguments: [
      integer("replicas", { minimum: 0, maximum: REPLICAS_MAX, clamp: "both" }),
      integer("timeout_ms", {
        minimum: 0,
        maximum: TIMEOUT_MS_MAX,
        clamp: "above",
        outside: "ERR timeout is negative",
        invalid: "ERR timeout is not an integer or out of range",
      }),
    ],
    reply: integerField("replicas"),
    errors: {
      READ_ONLY_REPLICA: "ERR WAIT cannot be used with replica instances: send it to the master",
    },
  },
];
