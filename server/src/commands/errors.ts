/** The closed set of error codes (wire contract, section 3) and the value that carries one out of a command. */

/** Code -> HTTP status. A code that is not here does not exist on the wire. */
export const ERROR_STATUS = {
  INVALID_REQUEST: 400,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INVALID_COMMAND: 400,
  INVALID_PAYLOAD: 422,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  KEY_NOT_FOUND: 404,
  QUEUE_NOT_FOUND: 404,
  ROOM_NOT_FOUND: 404,
  MESSAGE_NOT_FOUND: 404,
  QUEUE_EXISTS: 409,
  ROOM_EXISTS: 409,
  WRONG_TYPE: 409,
  NOT_AN_INTEGER: 409,
  NOT_A_NUMBER: 409,
  OVERFLOW: 409,
  STALE_DELIVERY: 409,
  OFFSET_TRIMMED: 410,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMIT_EXCEEDED: 429,
  READ_ONLY_REPLICA: 421,
  INTERNAL_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
  QUEUE_FULL: 507,
  MEMORY_LIMIT_EXCEEDED: 507,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

export type ErrorDetails = { readonly [name: string]: unknown };

/**
 * An expected failure, returned and never thrown: a bug throws, a refusal is a value.
 * `message` is a sentence for people; `details` is for programs and is encoded as it is.
 */
export class CommandError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails | undefined;

  constructor(code: ErrorCode, message: string, details?: ErrorDetails) {
    this.code = code;
    this.message = message;
    this.details = details;
  }

  get httpStatus(): number {
    return ERROR_STATUS[this.code];
  }
}

export function fail(code: ErrorCode, message: string, details?: ErrorDetails): CommandError {
  return new CommandError(code, message, details);
}

export function isCommandError(result: unknown): result is CommandError {
  return result instanceof CommandError;
}
