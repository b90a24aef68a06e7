/**
 * The errors of this package. Those that the server answers with have a class for each code of its closed set; those that
 * begin here (a lost connection, a time limit, a value that cannot be encoded) have a code of their own kind.
 *
 *     SynapError
 *       |- ServerError            an answer of the server: it has not run the command
 *       |    '- KeyNotFoundError, QueueFullError, ... one class per code
 *       '- ConnectionLostError, CommandTimeoutError, ... of the client; `mayHaveHappened` says what is known
 */

/** What every error of this package tells. */
export interface ErrorContext {
  /** The command that failed, such as `kv.set`. */
  readonly command?: string | undefined;
  /** The id of the request on the wire. */
  readonly requestId?: number | undefined;
  /** What the server adds for programs: `path` of a bad argument, `limit` that was passed. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
  /** As in SynapError. */
  readonly mayHaveHappened?: boolean | undefined;
}

/** The base of every error that this package throws, other than the reason of an AbortSignal. */
export abstract class SynapError extends Error {
  /** A word for programs: one of the server's codes, or one of this client's. */
  abstract readonly code: string;
  /** Whether the same command may succeed later, unchanged. Says nothing about whether it has happened already. */
  readonly retryable: boolean = false;
  /**
   * Whether the command may have taken effect although it failed here. False: it has not happened. A read changes nothing,
   * so it is false for reads.
   */
  readonly mayHaveHappened: boolean;
  /** The command that failed, where there is one. */
  readonly command: string | undefined;
  /** The id of the request on the wire, where it had one. */
  readonly requestId: number | undefined;
  /** What the server adds for programs, as it was sent. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, { command, requestId, details, cause, mayHaveHappened }: ErrorContext = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.command = command;
    this.requestId = requestId;
    this.details = details ?? {};
    this.mayHaveHappened = mayHaveHappened ?? false;
  }
}

/**
 * An answer of the server that is not success: it has not run the command. `mayHaveHappened` is true where an earlier
 * attempt got no answer, and this one was refused before the server looked whether it knows the command's number.
 */
export class ServerError extends SynapError {
  readonly code: string;
  override readonly retryable: boolean;

  constructor(code: string, message: string, context?: ErrorContext) {
    super(message, context);
    this.code = code;
    this.retryable = RETRYABLE.has(code);
  }
}

const RETRYABLE = new Set([
  "SERVICE_UNAVAILABLE",
  "RATE_LIMIT_EXCEEDED",
  "READ_ONLY_REPLICA",
  "QUEUE_FULL",
  "MEMORY_LIMIT_EXCEEDED",
]);

/** INVALID_REQUEST: the envelope is wrong, a batch is over its limit, a command cannot be sent this way. */
export class InvalidRequestError extends ServerError {}
/** UNSUPPORTED_MEDIA_TYPE: a body of another type than the server reads. */
export class UnsupportedMediaTypeError extends ServerError {}
/** INVALID_COMMAND: the server has no such command; `details.nearest` has names that were perhaps meant. */
export class InvalidCommandError extends ServerError {}
/** INVALID_PAYLOAD: an argument is missing, unknown, of the wrong type or out of range; `details.path` says which. */
export class InvalidPayloadError extends ServerError {}
/** UNAUTHORIZED: no token, or a wrong one. */
export class UnauthorizedError extends ServerError {}
/** FORBIDDEN: the token does not allow this. */
export class ForbiddenError extends ServerError {}
/** KEY_NOT_FOUND: the command needs a key that is not there. A plain `kv.get` of a missing key is null, not an error. */
export class KeyNotFoundError extends ServerError {}
/** QUEUE_NOT_FOUND: no queue of this name. */
export class QueueNotFoundError extends ServerError {}
/** ROOM_NOT_FOUND: no room of this name. */
export class RoomNotFoundError extends ServerError {}
/** MESSAGE_NOT_FOUND: acknowledged, dropped, never there, or of another queue. */
export class MessageNotFoundError extends ServerError {}
/** QUEUE_EXISTS: a queue of this name has another configuration; `details.fields` has both values of each that differs. */
export class QueueExistsError extends ServerError {}
/** ROOM_EXISTS: a room of this name is there. */
export class RoomExistsError extends ServerError {}
/** WRONG_TYPE: the stored value is of a type that the command does not work on. */
export class WrongTypeError extends ServerError {}
/** NOT_AN_INTEGER: the stored value is not an integer. */
export class NotAnIntegerError extends ServerError {}
/** NOT_A_NUMBER: the stored value is not a number. */
export class NotANumberError extends ServerError {}
/** OVERFLOW: the result would not fit 64 bits. */
export class OverflowError extends ServerError {}
/** STALE_DELIVERY: the delivery has ended: its deadline passed, its connection closed, or the message is with another. */
export class StaleDeliveryError extends ServerError {}
/** OFFSET_TRIMMED: a strict read from an offset that is gone; `details.oldest_offset` is the first that is there. */
export class OffsetTrimmedError extends ServerError {}
/** PAYLOAD_TOO_LARGE: a request, key, value, message, event or reply over its limit. */
export class PayloadTooLargeError extends ServerError {}
/** RATE_LIMIT_EXCEEDED: too much at once; try again later. */
export class RateLimitError extends ServerError {}
/** READ_ONLY_REPLICA: a write on a replica, and no master was found in time. `details.master` is its address, if known. */
export class ReadOnlyReplicaError extends ServerError {}
/** INTERNAL_ERROR: a bug of the server; `details.id` is in its log. Whether the command has happened is not known. */
export class InternalError extends ServerError {
  override readonly mayHaveHappened = true;
}
/** SERVICE_UNAVAILABLE: starting, stopping, or full for the moment; try again later. */
export class ServiceUnavailableError extends ServerError {}
/** QUEUE_FULL: the queue holds as much as it may; `details.limit` says which limit. */
export class QueueFullError extends ServerError {}
/** MEMORY_LIMIT_EXCEEDED: the server's memory limit is reached. */
export class MemoryLimitError extends ServerError {}

type ServerErrorClass = new (code: string, message: string, context?: ErrorContext) => ServerError;

/** The class for each code of the server. Codes that are not here (a newer server's) become plain `ServerError`. */
export const ERROR_CLASSES: Readonly<Record<string, ServerErrorClass>> = {
  INVALID_REQUEST: InvalidRequestError,
  UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaTypeError,
  INVALID_COMMAND: InvalidCommandError,
  INVALID_PAYLOAD: InvalidPayloadError,
  UNAUTHORIZED: UnauthorizedError,
  FORBIDDEN: ForbiddenError,
  KEY_NOT_FOUND: KeyNotFoundError,
  QUEUE_NOT_FOUND: QueueNotFoundError,
  ROOM_NOT_FOUND: RoomNotFoundError,
  MESSAGE_NOT_FOUND: MessageNotFoundError,
  QUEUE_EXISTS: QueueExistsError,
  ROOM_EXISTS: RoomExistsError,
  WRONG_TYPE: WrongTypeError,
  NOT_AN_INTEGER: NotAnIntegerError,
  NOT_A_NUMBER: NotANumberError,
  OVERFLOW: OverflowError,
  STALE_DELIVERY: StaleDeliveryError,
  OFFSET_TRIMMED: OffsetTrimmedError,
  PAYLOAD_TOO_LARGE: PayloadTooLargeError,
  RATE_LIMIT_EXCEEDED: RateLimitError,
  READ_ONLY_REPLICA: ReadOnlyReplicaError,
  INTERNAL_ERROR: InternalError,
  SERVICE_UNAVAILABLE: ServiceUnavailableError,
  QUEUE_FULL: QueueFullError,
  MEMORY_LIMIT_EXCEEDED: MemoryLimitError,
};

/** The error for an answer of the server. */
export function serverError(code: string, message: string, context?: ErrorContext): ServerError {
  return new (ERROR_CLASSES[code] ?? ServerError)(code, message, context);
}

/** CONNECTION_FAILED: no connection could be made in time. Nothing was sent. */
export class ConnectionFailedError extends SynapError {
  readonly code = "CONNECTION_FAILED";
  override readonly retryable = true;
}

/**
 * CONNECTION_LOST: the connection ended before the answer, and the command could not be sent again safely. Look at
 * `mayHaveHappened`; reads and numbered writes are sent again, and end this way only when several connections have ended on
 * them, or, a write, when the server may have forgotten its number.
 */
export class ConnectionLostError extends SynapError {
  readonly code = "CONNECTION_LOST";
  override readonly retryable = true;

  constructor(message: string, mayHaveHappened: boolean, context?: ErrorContext) {
    super(message, { ...context, mayHaveHappened });
  }
}

/** TIMEOUT: no answer within the time limit. If the command was sent and is not a read, it may have happened. */
export class CommandTimeoutError extends SynapError {
  readonly code = "TIMEOUT";
  override readonly retryable = true;

  constructor(message: string, mayHaveHappened: boolean, context?: ErrorContext) {
    super(message, { ...context, mayHaveHappened });
  }
}

/** TOO_MANY_COMMANDS: as many commands wait to be sent as may (`maxQueued`). This one was not sent, or not again. */
export class TooManyCommandsError extends SynapError {
  readonly code = "TOO_MANY_COMMANDS";
  override readonly retryable = true;
}

/** CLIENT_CLOSED: the client was closed before the command was sent, or sent again (`mayHaveHappened`). */
export class ClientClosedError extends SynapError {
  readonly code = "CLIENT_CLOSED";
}

/** CANNOT_ENCODE: a value that has no form on the wire, such as NaN, a cycle, or half of a surrogate pair. Nothing was sent. */
export class CannotEncodeError extends SynapError {
  readonly code = "CANNOT_ENCODE";
}

/** PROTOCOL_ERROR: what came from the server is not its protocol. The connection is closed. */
export class ProtocolError extends SynapError {
  readonly code = "PROTOCOL_ERROR";
}

/** SCHEMA_MISMATCH: what came back does not fit the schema that the caller gave; `issues` says why. */
export class SchemaMismatchError extends SynapError {
  readonly code = "SCHEMA_MISMATCH";
  /** As the schema reported them. */
  readonly issues: readonly { readonly message: string }[];

  constructor(message: string, issues: readonly { readonly message: string }[], context?: ErrorContext) {
    super(message, context);
    this.issues = issues;
  }
}
