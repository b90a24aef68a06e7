/**
 * How a Redis name leads to a command of the registry: declared as data, one entry per name, in this folder. An entry says
 * what `COMMAND` reports of it, how its words become the arguments object of the registry command, and how the result is
 * shown. There is no handler here: what Redis can do and the registry cannot is added to the registry, for every protocol.
 *
 *     SET key value [NX | XX] [GET] [EX n | PX n | ...]
 *         |   |      `------- options(...)    words in any order, each at most once per group
 *         |   `-------------- value("value")  one word
 *         `------------------ key("key")      one word
 *
 * Words are read in two steps, as Redis reads them: first the whole form (a word too many or an option out of place is
 * "ERR syntax error"), then numbers, in the order of the words. codecs/resp/resp-arguments.ts compiles the forms, once.
 */
import type { ErrorCode } from "../errors.ts";
import type { ReplyShape } from "./reply-shapes.ts";

/** The flags of `COMMAND`, without those that nothing here has. */
export type RespFlag =
  | "write"
  | "readonly"
  | "denyoom"
  | "admin"
  | "pubsub"
  | "noscript"
  | "blocking"
  | "loading"
  | "stale"
  | "fast"
  | "no_auth"
  | "no_multi"
  | "skip_monitor"
  | "skip_slowlog"
  | "movablekeys"
  | "allow_busy"
  | "no_async_loading"
  | "no_mandatory_keys";

/** The groups of `COMMAND DOCS`. */
export type RespGroup = "string" | "generic" | "connection" | "server" | "pubsub" | "transactions" | "queue" | "stream";

/** What `COMMAND` tells of a name, whoever answers it. */
export interface RespDescription {
  /** In lower case; a subcommand as `object|encoding`. Its container (`object`) is made of all of these. */
  readonly name: string;
  /** Words with the name (and the subcommand's); below zero: at least that many. */
  readonly arity: number;
  readonly flags: readonly RespFlag[];
  /** Position of the first key, of the last (below zero: from the end) and the step between; 0, 0, 0 without keys. */
  readonly keys: readonly [first: number, last: number, step: number];
  readonly group: RespGroup;
  readonly summary: string;
  /** The Redis version that had it first, for COMMAND DOCS; absent for what only Synap has. */
  readonly since?: string;
}

/** A name that is answered by a command of the registry. */
export interface RespCommand extends RespDescription {
  /** The registry's name: `kv.get`. */
  readonly command: string;
  /** What stands after the name (and the subcommand), in order. */
  readonly arguments: readonly ArgumentForm[];
  readonly reply: ReplyShape;
  /** Texts in place of those of error-texts.ts, with their prefix: `ERR no such key`. */
  readonly errors?: Readonly<Partial<Record<ErrorCode, string>>>;
}

/**
 * What a word becomes: bytes (`key`), bytes that must be UTF-8 (`name`), a stored value of bytes (`value`) or of a JSON object
 * (`object`), a number, or a string of JavaScript (`text`).
 */
export type WordKind = "key" | "name" | "value" | "object" | "integer" | "int64" | "float" | "text";

export interface NumberRule {
  readonly minimum?: number;
  readonly maximum?: number;
  /** The error past these bounds, and for 64-bit integers too large for exact arithmetic. Default: as for no integer. */
  readonly outside?: string;
  /** Past these bounds, or the one named, the bound is taken in place of an error. */
  readonly clamp?: "below" | "above" | "both";
  /** `outside` is the error also where the number times this does not fit 64 bits, as Redis computes with it. */
  readonly fitsTimes?: number;
  /** The field gets the number times this: 1000 for seconds where the registry wants milliseconds. */
  readonly times?: number;
  /** The error for a word that is no number. Default "ERR value is not an integer or out of range". */
  readonly invalid?: string;
}

export interface WordForm extends NumberRule {
  readonly form: "word";
  readonly field: string;
  readonly kind: WordKind;
  /** May be missing; only words before the end may not. */
  readonly optional: boolean;
}

/** All words to the end, as a list. */
export interface RestForm {
  readonly form: "rest";
  readonly field: string;
  readonly kind: "key" | "value" | "text" | "integer";
}

/** All words to the end, as a list of objects of so many words each. An incomplete last one is an arity error. */
export interface TuplesForm {
  readonly form: "tuples";
  readonly field: string;
  readonly items: readonly { readonly field: string; readonly kind: "key" | "value" | "text" }[];
}

/** A field that the name alone decides: GETDEL's `delete: true`. */
export interface FixedForm {
  readonly form: "fixed";
  readonly field: string;
  readonly value: unknown;
}

/** The words to the end, each an option. In any order, in any case of letters. */
export interface OptionsForm {
  readonly form: "options";
  readonly options: readonly Option[];
  /** The error for a word that is no option, `%s` standing for it. Default "ERR syntax error". */
  readonly unknown?: string;
  /** Errors for options that do not go together, where Redis has a text of its own; looked at in order, after the form. */
  readonly conflicts?: readonly { readonly words: readonly string[]; readonly error: string }[];
  /** Numbers are read as they are met, so that a bad one comes before a bad form behind it (SCAN). */
  readonly eager?: boolean;
}

export interface Option extends NumberRule {
  /** In upper case. */
  readonly word: string;
  /** Absent for what is accepted, and its word checked, but means nothing here. `config.max_depth` is a field of a field. */
  readonly field?: string;
  /** What the option's word sets the field to, where it takes no word of its own. */
  readonly value?: unknown;
  /** What the word after it becomes. */
  readonly takes?: WordKind;
  /** Of the options of one group only one may be given: another is a syntax error. The same again is not; the last counts. */
  readonly group?: string;
}

export type ArgumentForm = WordForm | RestForm | TuplesForm | FixedForm | OptionsForm;

export function key(field = "key"): WordForm {
  return { form: "word", field, kind: "key", optional: false };
}

export function value(field = "value"): WordForm {
  return { form: "word", field, kind: "value", optional: false };
}

export function name(field: string): WordForm {
  return { form: "word", field, kind: "name", optional: false };
}

export function text(field: string): WordForm {
  return { form: "word", field, kind: "text", optional: false };
}

/** An integer that arithmetic is exact with. */
export function integer(field: string, rule: NumberRule = {}): WordForm {
  return { form: "word", field, kind: "integer", optional: false, ...rule };
}

export function int64(field: string, rule: NumberRule = {}): WordForm {
  return { form: "word", field, kind: "int64", optional: false, ...rule };
}

export function float(field: string, rule: NumberRule = {}): WordForm {
  return { form: "word", field, kind: "float", optional: false, invalid: "ERR value is not a valid float", ...rule };
}

export function optional(form: WordForm): WordForm {
  return { ...form, optional: true };
}

export function keys(field = "keys"): RestForm {
  return { form: "rest", field, kind: "key" };
}

export function rest(field: string, kind: RestForm["kind"]): RestForm {
  return { form: "rest", field, kind };
}

/** `key value [key value ...]` */
export function pairs(field = "pairs"): TuplesForm {
  return {
    form: "tuples",
    field,
    items: [
      { field: "key", kind: "key" },
      { field: "value", kind: "value" },
    ],
  };
}

export function fixed(field: string, fixedValue: unknown): FixedForm {
  return { form: "fixed", field, value: fixedValue };
}

export function options(all: readonly Option[], rules: Omit<OptionsForm, "form" | "options"> = {}): OptionsForm {
  return { form: "options", options: all, ...rules };
}

/** An option of one word that sets `field` to `setTo`. */
export function flag(word: string, field: string, setTo: unknown = true, group?: string): Option {
  return { word, field, value: setTo, ...(group === undefined ? {} : { group }) };
}

export const NO_KEYS = [0, 0, 0] as const;
export const ONE_KEY = [1, 1, 1] as const;
export const ALL_KEYS = [1, -1, 1] as const;
