/**
 * Sets of settings for a purpose: `--profile NAME` takes the place of the defaults, and everything else wins over it. A profile
 * never makes what is kept less complete: no eviction, no retention, no limit on what a queue may hold.
 */
import { StartError } from "../runtime/start-error.ts";
import { type Assignment, findKey, suggestion } from "./assignment.ts";

export interface Profile {
  /** For `--help` and the configuration page. */
  readonly summary: string;
  /** What it gives up for that. */
  readonly price: string;
  readonly settings: Readonly<Record<string, string>>;
}

export const PROFILES: Readonly<Record<string, Profile>> = {
  "high-throughput": {
    summary: "as many operations as possible",
    price:
      "A crash of the machine, not of the process, may lose the last second of writes; a start may have to read a gigabyte of log.",
    settings: {
      "persistence.fsync": "interval",
      "persistence.segment_bytes": "64mb",
      "persistence.snapshot_log_bytes": "1gb",
      "protocol.compression": "false",
    },
  },
  "low-memory": {
    summary: "as small a process as possible",
    price:
      "Requests, replies and values are smaller; a replica that falls behind is served from the log files sooner; repeats of idempotent writes are remembered in less room.",
    settings: {
      "kv_store.max_memory_bytes": "256mb",
      "kv_store.max_value_bytes": "1mb",
      "protocol.max_request_bytes": "4mb",
      "protocol.max_reply_bytes": "4mb",
      "protocol.outbox_bytes_max": "4mb",
      "protocol.max_idempotency_bytes": "4mb",
      "replication.backlog_bytes": "1mb",
      "persistence.segment_bytes": "4mb",
      "queue.max_message_bytes": "512kb",
      "transaction.max_total_bytes": "32mb",
      "pubsub.max_name_bytes": "32mb",
    },
  },
  "large-values": {
    summary: "values, messages and events of many megabytes",
    price:
      "A connection that does not read may hold a quarter of a gigabyte; two log files of 256 MB are reserved ahead.",
    settings: {
      "kv_store.max_value_bytes": "32mb",
      "queue.max_message_bytes": "32mb",
      "stream.max_event_bytes": "32mb",
      "pubsub.max_message_bytes": "32mb",
      "protocol.max_request_bytes": "64mb",
      "protocol.max_reply_bytes": "192mb",
      "protocol.outbox_bytes_max": "256mb",
      "protocol.compression": "false",
      "replication.backlog_bytes": "256mb",
      "persistence.segment_bytes": "256mb",
      "persistence.snapshot_log_bytes": "2gb",
    },
  },
};

/**
 * What a profile sets, to be put under all other layers.
 * @throws StartError if there is none of that name
 */
export function profileAssignments(name: string): Assignment[] {
  const names = Object.keys(PROFILES);
  if (!names.includes(name)) {
    throw new StartError(
      `--profile: there is no profile ${name}; ${suggestion(name, names, `there are ${names.join(", ")}`)}.`,
    );
  }
  return Object.entries(PROFILES[name].settings).map(([path, raw]) => {
    const key = findKey(path);
    if (key === undefined) throw new Error(`the profile ${name} sets ${path}, which is no key`);
    return { key, raw, origin: `--profile ${name}` };
  });
}
