/**
 * The envelope that both decoders fill, its field names, and what may stand beside what. A decoder finds a field's name
 * with `envelopeFieldOf`, asks `admit` whether it may stand here, and sets it; names and rules are the same in every format.
 */
import { type CommandError, fail } from "../commands/errors.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { type Envelope, NO_INDEX } from "./codec.ts";

export const FIELD_UNKNOWN = -1;
export const FIELD_COMMAND = 0;
export const FIELD_PAYLOAD = 1;
export const FIELD_REQUEST_ID = 2;
export const FIELD_COMMANDS = 3;
export const FIELD_ATOMIC = 4;
export const FIELD_CLIENT_ID = 5;
export const FIELD_IDEMPOTENT = 6;
export const FIELD_TYPE = 7;
export const FIELD_VERSION = 8;
export const FIELD_INDEX = 9;

/** Indexed by the constants above. The first two are those of nearly every message. */
const NAMES = [
  "command",
  "payload",
  "request_id",
  "commands",
  "atomic",
  "client_id",
  "idempotent",
  "type",
  "version",
  "index",
] as const;

const NAME_BYTES = NAMES.map((name) => new TextEncoder().encode(name));

const BATCH_TYPE = new TextEncoder().encode("batch");

/** What makes a request idempotent. A command of a batch may carry it where the batch itself is not one thing. */
const ID_FIELDS = (1 << FIELD_REQUEST_ID) | (1 << FIELD_CLIENT_ID) | (1 << FIELD_IDEMPOTENT) | (1 << FIELD_INDEX);
/** What a command inside a batch may carry. */
const ITEM_FIELDS = (1 << FIELD_COMMAND) | (1 << FIELD_PAYLOAD) | (1 << FIELD_TYPE) | (1 << FIELD_VERSION) | ID_FIELDS;

/** The longest request id that is echoed, as it is encoded. */
export const REQUEST_ID_BYTES_MAX = 255;

/** No batch has more commands than that. */
const INDEX_MAX = 999_999;

/** Which field the name in `start..end` is, or `FIELD_UNKNOWN`. */
export function envelopeFieldOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  for (let field = 0; field < NAME_BYTES.length; field++) {
    const name = NAME_BYTES[field];
    if (name.length !== length || name[0] !== bytes[start]) continue;
    let i = 1;
    while (i < length && name[i] === bytes[start + i]) i++;
    if (i === length) return field;
  }
  return FIELD_UNKNOWN;
}

/** Reused for every message: the ranges are its own, `undefined` hides them. */
export class RequestEnvelope implements Envelope {
  command: ByteRange | undefined = undefined;
  requestId: ByteRange | undefined = undefined;
  payload: ByteRange | undefined = undefined;
  items: RequestEnvelope[] | undefined = undefined;
  itemCount = 0;
  atomic = false;
  clientId: ByteRange | undefined = undefined;
  idempotent: boolean | undefined = undefined;
  index = NO_INDEX;
  hasItemIds = false;
  /** Whether `type` is "batch". No other type says anything that the fields do not. */
  isBatch = false;

  /** The fields met so far, one bit each. */
  #seen = 0;
  readonly #command = new ByteRange(NO_BYTES, 0, 0);
  readonly #requestId = new ByteRange(NO_BYTES, 0, 0);
  readonly #payload = new ByteRange(NO_BYTES, 0, 0);
  readonly #clientId = new ByteRange(NO_BYTES, 0, 0);
  readonly #items: RequestEnvelope[] = [];

  reset(): void {
    this.command = undefined;
    this.requestId = undefined;
    this.payload = undefined;
    this.items = undefined;
    this.itemCount = 0;
    this.atomic = false;
    this.clientId = undefined;
    this.idempotent = undefined;
    this.index = NO_INDEX;
    this.hasItemIds = false;
    this.isBatch = false;
    this.#seen = 0;
  }

  /** May `field` stand here? An answer other than `undefined` is the reason why not. */
  admit(field: number, isItem: boolean): CommandError | undefined {
    const bit = 1 << field;
    if ((this.#seen & bit) !== 0) {
      return fail("INVALID_REQUEST", `the field ${NAMES[field]} is there twice`, { path: NAMES[field] });
    }
    this.#seen |= bit;
    if (!isItem) return field === FIELD_INDEX ? belongsToItem(field) : undefined;
    return (ITEM_FIELDS & bit) === 0 ? belongsToBatch(field) : undefined;
  }

  /** To be asked once all fields are read. */
  contradiction(): CommandError | undefined {
    if (this.items === undefined) {
      if (this.isBatch) return fail("INVALID_REQUEST", "commands is missing from the batch", { path: "commands" });
      if (!this.atomic) return undefined;
      return fail("INVALID_REQUEST", "atomic belongs to a batch, and commands is missing", { path: "atomic" });
    }
    if (this.command === undefined && this.payload === undefined) return this.#contradictionOfIds(this.items);
    const path = this.command === undefined ? "payload" : "command";
    return fail("INVALID_REQUEST", `${path} and commands exclude each other: a request is one command or a batch`, {
      path,
    });
  }

  /** Ids inside a batch are there for idempotent commands; in an atomic one it is the batch that is idempotent, or not. */
  #contradictionOfIds(items: readonly RequestEnvelope[]): CommandError | undefined {
    let seen = 0;
    for (let i = 0; i < this.itemCount; i++) seen |= items[i].#seen;
    this.hasItemIds = (seen & ID_FIELDS) !== 0;
    if (!this.hasItemIds) return undefined;
    for (let i = 0; i < this.itemCount; i++) {
      const { requestId, clientId, idempotent, index } = items[i];
      if (!this.atomic && (idempotent ?? this.idempotent)) continue;
      if (requestId !== undefined) return belongsToBatch(FIELD_REQUEST_ID);
      if (clientId !== undefined) return belongsToBatch(FIELD_CLIENT_ID);
      if (idempotent) return belongsToBatch(FIELD_IDEMPOTENT);
      if (index !== NO_INDEX) return belongsToBatch(FIELD_INDEX);
    }
    return undefined;
  }

  setType(bytes: Uint8Array, start: number, end: number): void {
    if (end - start !== BATCH_TYPE.length) return;
    for (let i = 0; i < BATCH_TYPE.length; i++) if (bytes[start + i] !== BATCH_TYPE[i]) return;
    this.isBatch = true;
  }

  setCommand(bytes: Uint8Array, start: number, end: number): void {
    this.command = this.#command.place(bytes, start, end);
  }

  setRequestId(bytes: Uint8Array, start: number, end: number): void {
    this.requestId = this.#requestId.place(bytes, start, end);
  }

  setPayload(bytes: Uint8Array, start: number, end: number): void {
    this.payload = this.#payload.place(bytes, start, end);
  }

  setClientId(bytes: Uint8Array, start: number, end: number): void {
    this.clientId = this.#clientId.place(bytes, start, end);
  }

  beginItems(): void {
    this.items = this.#items;
  }

  /** The next command of the batch, empty. The caller has checked the count against its limit. */
  addItem(): RequestEnvelope {
    if (this.itemCount === this.#items.length) this.#items.push(new RequestEnvelope());
    const item = this.#items[this.itemCount++];
    item.reset();
    return item;
  }
}

const NO_BYTES = new Uint8Array(0);

function belongsToBatch(field: number): CommandError {
  const name = NAMES[field];
  const isId = ((1 << field) & ID_FIELDS) !== 0;
  const but = isId ? ", but for an idempotent command of a batch that is not atomic" : "";
  return fail("INVALID_REQUEST", `${name} belongs to the batch, not to one of its commands${but}`, { path: name });
}

function belongsToItem(field: number): CommandError {
  const message = `${NAMES[field]} belongs to a command of a batch, beside its request_id`;
  return fail("INVALID_REQUEST", message, { path: NAMES[field] });
}

export function unknownField(name: string): CommandError {
  return fail("INVALID_REQUEST", `a request has no field ${JSON.stringify(name)}`, { path: name });
}

export function wrongFieldType(field: number, expected: string): CommandError {
  return fail("INVALID_REQUEST", `${NAMES[field]} must be ${expected}`, { path: NAMES[field] });
}

export function isIndex(number: number): boolean {
  return number >= 0 && number <= INDEX_MAX;
}

export function wrongIndex(): CommandError {
  return wrongFieldType(FIELD_INDEX, `an integer from 0 to ${INDEX_MAX}`);
}

export function tooManyCommands(commandsMax: number): CommandError {
  return fail("INVALID_REQUEST", `a batch may have at most ${commandsMax} commands`, {
    path: "commands",
    limit: commandsMax,
  });
}
