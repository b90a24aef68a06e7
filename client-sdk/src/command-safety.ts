/** What may be done with each command when its answer is lost, and which commands are frames of their own. */
import { COMMANDS } from "./generated/command-map.ts";
import type { Safety } from "./wire/request.ts";

/** Writes to the log are numbered; these are writes that belong to a connection, or take what cannot be taken twice. */
const NOT_NUMBERED = /^(?:queue\.(?:consume|subscribe|unsubscribe)|(?:pubsub|transaction)\.\w+)$/;

/** Reads, though their access is admin. */
const ADMIN_READS = /^admin\.(?:info|config|clients|slowlog\.get|commands|wait)$/;

/** They answer at length, wait, or hold the server: nothing else should share their frame. */
const ALONE =
  /^(?:kv\.(?:scan|keys|mget|flushdb|flushall|watch|unwatch)|queue\.(?:consume|peek|list|dead\.\w+|subscribe|unsubscribe)|stream\.(?:consume|history|subscribe|unsubscribe|list)|pubsub\.(?!publish$)\w+|transaction\.\w+|admin\..*)$/;

/** Of a connection as those that are alone are, and not of the state; though its access is read. */
const OF_CONNECTION = "auth";

export interface Sending {
  readonly safety: Safety;
  readonly isAlone: boolean;
  /** Only a master runs it, or it is about the master. */
  readonly needsMaster: boolean;
  /** In a frame whose commands run once it has to say that it does not: the server may have no memory of what it answers. */
  readonly isExempt: boolean;
}

const known = new Map<string, Sending>();

export function sendingOf(command: string): Sending {
  const found = known.get(command);
  if (found !== undefined) return found;
  const kind = kindOf(command);
  const isExempt = kind.safety === "unsafe" || (kind.safety === "read" && (kind.isAlone || command === OF_CONNECTION));
  const sending = { ...kind, isExempt };
  if (command in COMMANDS) known.set(command, sending);
  return sending;
}

/** As `sendingOf`, for a payload that the caller has put together: with a `client_id` a write may be one of a transaction. */
export function sendingOfAny(command: string, payload: object | undefined): Sending {
  const sending = sendingOf(command);
  if (sending.safety !== "numbered" || payload === undefined || !("client_id" in payload)) return sending;
  return { ...sending, safety: "unsafe", isExempt: true };
}

function kindOf(command: string): Omit<Sending, "isExempt"> {
  const access = (COMMANDS as Readonly<Record<string, string>>)[command];
  const isAlone = ALONE.test(command);
  if (access === "read") return { safety: "read", isAlone, needsMaster: false };
  if (access === "admin") {
    return { safety: ADMIN_READS.test(command) ? "read" : "unsafe", isAlone, needsMaster: true };
  }
  // Publishing reaches those who are connected to this node, and a command that is not known here may be anything.
  const needsMaster = access === undefined || (access === "write" && !command.startsWith("pubsub."));
  const isNumbered = access === "write" && !NOT_NUMBERED.test(command);
  return { safety: isNumbered ? "numbered" : "unsafe", isAlone: isAlone || access === undefined, needsMaster };
}
