/**
 * A command is data: its name, what it takes, what it answers, who may call it, and one function. Declared once, found in
 * the registry, and served by every protocol.
 *
 * A read answers from what it sees. A write plans: it validates, stages operations and answers with what will be true
 * once they are applied. A node command does neither: it publishes to those connected to this node, or subscribes the
 * caller, and nothing of it is in the log. None knows a socket or a codec; all return plain values, or a CommandError.
 */
import type { Subsystem } from "../access/permission.ts";
import type { Caller } from "../dispatch/caller.ts";
import type { Fanout } from "../fanout/fanout.ts";
import type { KeyView } from "../state/key-view.ts";
import type { QueueStore } from "../state/queue-store.ts";
import type { RoomStore } from "../state/room-store.ts";
import { type AccessCheck, type AccessRule, compileAccess } from "./access-rule.ts";
import type { ArgumentShape } from "./argument-shape.ts";
import { compileShape } from "./argument-shape.ts";
import type { CommandError } from "./errors.ts";
import type { KeyCounters } from "./kv/key-counters.ts";
import type { ScanCursors } from "./kv/scan-cursors.ts";
import type { Node } from "./node.ts";
import type { Planner } from "./planner.ts";
import type { QueueLimits } from "./queue/queue-limits.ts";
import type { ReplyLimits } from "./reply-planner.ts";
import type { AnySchema, Schema } from "./schema.ts";
import type { RoomLimits } from "./stream/room-limits.ts";
import type { TransactionLimits, Transactions } from "./transaction/transactions.ts";
import type { Wait } from "./wait.ts";

/** What a read command may look at. One per executor, reused. */
export interface ReadContext {
  readonly keys: KeyView;
  readonly queues: QueueStore;
  readonly rooms: RoomStore;
  /** Who is subscribed here, and to what. */
  readonly fanout: Fanout;
  readonly transactions: Transactions;
  readonly counters: KeyCounters;
  readonly limits: Limits;
  readonly scanCursors: ScanCursors;
  /** The process as an operator sees it: configuration, clients, slow log. */
  readonly node: Node;
  readonly caller: Caller;
  /** The offset of the last operation applied. */
  readonly appliedOffset: number;
  readonly nowMs: number;
  /** Draws from [0, 1). */
  readonly random: () => number;
}

/** What a write command may use besides its planner. */
export interface WriteContext {
  readonly counters: KeyCounters;
  readonly limits: Limits;
}

/** The limits that plans hold arguments against, from the configuration. */
export interface Limits {
  readonly valueBytesMax: number;
  readonly keysReplyMax: number;
  readonly queue: QueueLimits;
  readonly room: RoomLimits;
  readonly transaction: TransactionLimits;
  readonly reply: ReplyLimits;
}

/** `admin` changes the server, or what it takes to use it: the audit log tells of each call. */
export type Access = "read" | "write" | "admin";

/**
 * What of the state a reply shows, and so what must be durable before it may leave: the keys that it found, by look-up, as
 * of their versions; anything, as of the last offset applied; or nothing.
 */
export type Shown = "keys" | "state" | "nothing";

interface Declaration<Name extends string, Arguments, Reply> {
  readonly name: Name;
  /** One sentence for people; it appears in the OpenAPI document and the command table. */
  readonly summary: string;
  /** What it needs of its caller's token beside `access`: which arguments name what it touches. */
  readonly guard: AccessRule;
  readonly arguments: Schema<Arguments>;
  readonly reply: Schema<Reply>;
  /** May stand in an atomic batch. False for flush, admin, blocking and node commands. Default true. */
  readonly atomic?: boolean;
}

export interface ReadDeclaration<Name extends string, Arguments, Reply> extends Declaration<Name, Arguments, Reply> {
  readonly access: "read" | "admin";
  readonly read: (args: Arguments, context: ReadContext) => Reply | CommandError;
  /** Of the state; default anything. */
  readonly shows?: Shown;
}

export interface WriteDeclaration<Name extends string, Arguments, Reply> extends Declaration<Name, Arguments, Reply> {
  readonly access: "write" | "admin";
  /** Answers with a `Wait` only where `isBlocking` says that it may. */
  readonly plan: (args: Arguments, planner: Planner, context: WriteContext) => Reply | CommandError | Wait;
  /** Whether these arguments may make it wait: then it cannot be in a batch, and needs a request id on a WebSocket. */
  readonly isBlocking?: (args: Arguments) => boolean;
}

export interface NodeDeclaration<Name extends string, Arguments, Reply> extends Declaration<Name, Arguments, Reply> {
  readonly access: Access;
  /** Answers with a `Wait` only where `isBlocking` says that it may. */
  readonly act: (args: Arguments, context: ReadContext) => Reply | CommandError | Wait;
  /** As of a write. */
  readonly isBlocking?: (args: Arguments) => boolean;
  /** A replica refuses it as it refuses writes. Default false. */
  readonly needsMaster?: boolean;
  /** Of the state; default anything. */
  readonly shows?: Exclude<Shown, "keys">;
  /** May be queued in a transaction, as every write may. Default false. */
  readonly queueable?: boolean;
}

/** A declared command with its types erased, as the registry and the executor hold it. */
export interface Command {
  readonly name: string;
  /** The part of the name before the dot: the metric's component. */
  readonly component: string;
  /** The part after it: the metric's operation. */
  readonly operation: string;
  readonly summary: string;
  readonly access: Access;
  /** Whose permissions it needs. */
  readonly subsystem: Subsystem;
  readonly accessRule: AccessRule;
  readonly accessCheck: AccessCheck;
  readonly atomic: boolean;
  readonly argumentSchema: AnySchema;
  readonly replySchema: AnySchema;
  readonly shape: ArgumentShape;
  /** Exactly one of `read`, `plan` and `act` is there. */
  readonly read: ((args: Record<string, unknown>, context: ReadContext) => unknown) | undefined;
  readonly plan: ((args: Record<string, unknown>, planner: Planner, context: WriteContext) => unknown) | undefined;
  readonly act: ((args: Record<string, unknown>, context: ReadContext) => unknown) | undefined;
  readonly isBlocking: ((args: Record<string, unknown>) => boolean) | undefined;
  /** Whether a replica refuses it, though it is no write. */
  readonly needsMaster: boolean;
  /** Whether a transaction queues it; what it does not queue runs at once. */
  readonly isQueueable: boolean;
  /** What a read or a node command shows of the state. */
  readonly shows: Shown;
  /** The argument that a pipelined burst looks up ahead, if the command has a single key. */
  readonly hasKey: boolean;
}

export function readCommand<const Name extends string, Arguments, Reply>(
  declaration: ReadDeclaration<Name, Arguments, Reply>,
): Command {
  // The codec made `args` by this very schema, so the erased function is only called with what it declares.
  return erase(declaration, { read: declaration.read as Command["read"] });
}

export function writeCommand<const Name extends string, Arguments, Reply>(
  declaration: WriteDeclaration<Name, Arguments, Reply>,
): Command {
  // As above.
  const plan = declaration.plan as Command["plan"];
  return erase(declaration, { plan, isBlocking: declaration.isBlocking as Command["isBlocking"] });
}

export function nodeCommand<const Name extends string, Arguments, Reply>(
  declaration: NodeDeclaration<Name, Arguments, Reply>,
): Command {
  // As above.
  const act = declaration.act as Command["act"];
  const isBlocking = declaration.isBlocking as Command["isBlocking"];
  return erase({ ...declaration, atomic: false }, { act, isBlocking }, declaration.queueable);
}

function erase(
  declaration: Declaration<string, unknown, unknown> &
    Pick<NodeDeclaration<string, unknown, unknown>, "access" | "needsMaster"> & { readonly shows?: Shown },
  functions: Partial<Pick<Command, "read" | "plan" | "act" | "isBlocking">>,
  isQueueable = functions.plan !== undefined && declaration.access === "write",
): Command {
  const { name, access, guard } = declaration;
  const [component] = name.split(".", 1);
  const subsystem = subsystemOf(component);
  const argumentSchema = ignoringClientId(declaration.arguments);
  const shape = compileShape(argumentSchema);
  return {
    name,
    component,
    operation: name.slice(name.indexOf(".") + 1),
    summary: declaration.summary,
    access,
    subsystem,
    accessRule: guard,
    accessCheck: compileAccess(guard, subsystem, access),
    atomic: declaration.atomic ?? true,
    argumentSchema,
    replySchema: declaration.reply,
    shape,
    read: functions.read,
    plan: functions.plan,
    act: functions.act,
    isBlocking: functions.isBlocking,
    needsMaster: declaration.needsMaster ?? false,
    isQueueable,
    shows: declaration.shows ?? "state",
    hasKey: shape.fields.some((field) => field.name === "key" && field.kind === "key"),
  };
}

/** By the first part of a command's name. What a transaction watches are keys; what it queues is looked at by itself. */
function subsystemOf(component: string): Subsystem {
  switch (component) {
    case "queue":
    case "stream":
    case "pubsub":
    case "admin":
      return component;
    default:
      return "kv";
  }
}

/** Clients of the original send `client_id` with every command; it has a meaning only in a transaction. */
function ignoringClientId(schema: AnySchema): AnySchema {
  if (schema.properties?.client_id !== undefined) return schema;
  return { ...schema, "x-ignored": [...(schema["x-ignored"] ?? []), "client_id"] };
}
