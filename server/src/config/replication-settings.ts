/** The configuration keys of replication; a part of the table in schema.ts. */
import { shownMasterUrl } from "./master-url.ts";
import { bytes, choice, path, text, whole } from "./setting.ts";

const KB = 2 ** 10;
const MB = 2 ** 20;
const GB = 2 ** 30;

const MASTER_URL =
  /^(?:(?:(?:https?|wss?):\/\/)?[^\s/?#@:]+(?::\d{1,5})?\/?|(?:(?:https?|wss?):\/\/)?\[[0-9A-Fa-f:.]+\](?::\d{1,5})?\/?)?$/i;

export const REPLICATION_SETTINGS = {
  replication: {
    role: choice(["master", "replica"], {
      default: "master",
      description:
        "A replica copies the log of the master at `master_url`, serves reads and refuses writes. Flag: `--replica-of` sets both.",
    }),
    master_url: text(MASTER_URL, {
      default: "",
      allowed:
        "an address such as 10.0.0.5:15500, or its URL with http, https, ws or wss, without a user, a path or a query (a token is for `replication.token`)",
      shown: shownMasterUrl,
      description: "Where the master of a replica serves clients.",
    }),
    token: text(/^[^\s]{0,4096}$/, {
      default: "",
      allowed: "a token of the master that may admin:*",
      secret: true,
      description: "What a replica logs in to its master with, where that wants tokens.",
    }),
    ca_file: path({
      description:
        "Certificates, in PEM, by one of which the master's is signed; empty for those of public authorities. For a `master_url` with https or wss.",
    }),
    min_replicas_for_write: whole("replicas", {
      default: 0,
      min: 0,
      max: 32,
      description:
        "Writes are answered once so many replicas have them on disk, and refused while fewer are in sync. 0 waits for none.",
    }),
    ready_lag_ms: whole("ms", {
      default: 1000,
      min: 1,
      max: 3_600_000,
      description: "A replica that is further behind its master than this is not ready.",
    }),
    backlog_bytes: bytes({
      default: 32 * MB,
      min: 64 * KB,
      max: GB,
      description:
        "The last operations kept in memory for replicas; one that is further behind is served from the log files.",
    }),
    heartbeat_ms: whole("ms", {
      default: 1000,
      min: 10,
      max: 60_000,
      description: "A link on which nothing else is said carries a heartbeat this often, both ways.",
    }),
    link_timeout_ms: whole("ms", {
      default: 5000,
      min: 50,
      max: 600_000,
      description:
        "A link whose other end is silent for so long is cut; a replica then links again. At least twice `heartbeat_ms`.",
    }),
  },
} as const;
