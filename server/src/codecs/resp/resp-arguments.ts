/**
 * The words of a request as the arguments object of a registry command, by the forms its entry declares
 * (commands/resp/resp-command.ts). Compiled once at start, checked then against the command's own schema: a form that names
 * no field of it is found before the first client comes.
 *
 * Most requests are a name, a key and perhaps a value. These get the same arguments object every time, with ranges that are
 * moved over the new words: nothing is allocated. What keeps arguments past the command asks for others (`isKept`).
 */
import { isUtf8 } from "node:buffer";
import type { ArgumentShape, FieldShape } from "../../commands/argument-shape.ts";
import { isInt64, parseDecimal } from "../../commands/kv/integer.ts";
import { NOT_AN_INTEGER, SYNTAX_ERROR, wrongArity } from "../../commands/resp/error-texts.ts";
import type {
  ArgumentForm,
  NumberRule,
  OptionsForm,
  RespCommand,
  RestForm,
  TuplesForm,
  WordForm,
  WordKind,
} from "../../commands/resp/resp-command.ts";
import { TAG_BYTES, TAG_JSON, Value } from "../../state/value.ts";
import { ByteRange } from "../../structures/byte-range.ts";
import { JsonScanner, OPEN_BRACE } from "../json/json-scanner.ts";
import type { RespRequest } from "./resp-request.ts";

export type Arguments = Record<string, unknown>;

export interface ArgumentDecoder {
  /**
   * @param isKept the arguments outlive the next call; their bytes still are those of the request.
   * @returns the arguments, or the text of an error.
   */
  decode(request: RespRequest, isKept: boolean): Arguments | string;
  /** Lets go of the bytes that the arguments of the last call are ranges of, where these are used again. */
  release(): void;
}

/** @param words how many words the name takes: 2 for a subcommand. */
export function compileArguments(declared: RespCommand, shape: ArgumentShape, words: number): ArgumentDecoder {
  return new CompiledArguments(declared, shape, words);
}

/** Reads words from `at` on into `args`; answers with where it stopped, or with an error. */
type Step = (request: RespRequest, at: number, args: Arguments) => number | string;

class CompiledArguments implements ArgumentDecoder {
  readonly #shape: ArgumentShape;
  readonly #steps: Step[] = [];
  readonly #nameWords: number;
  /** Fields and ranges of the reused object, in the order of the words. */
  readonly #ranges: ByteRange[] = [];
  readonly #rangeFields: FieldShape[] = [];
  readonly #reused: Arguments;
  /** Words of a request that the reused object will do for; 0 where none is simple enough. */
  readonly #simpleCount: number;

  constructor(declared: RespCommand, shape: ArgumentShape, words: number) {
    this.#shape = shape;
    this.#nameWords = words;
    this.#reused = shape.create();
    const numbersLast = declared.arguments.some((form) => form.form === "options" && form.eager !== true);
    const numbers: Step[] = [];
    for (const [index, form] of declared.arguments.entries()) {
      const step = stepOf(form, shape, declared.name);
      if (numbersLast && form.form === "word" && NUMBER_KINDS.has(form.kind)) {
        this.#steps.push((_request, at) => at + 1);
        // Only words stand before options, so its place is known.
        numbers.push((request, at, args) => {
          const next = step(request, words + index, args);
          return typeof next === "string" ? next : at;
        });
      } else {
        this.#steps.push(step);
      }
    }
    this.#steps.push(...numbers);
    this.#simpleCount = this.#prepareReused(declared);
  }

  decode(request: RespRequest, isKept: boolean): Arguments | string {
    if (request.count === this.#simpleCount && !isKept) return this.#decodeSimple(request);
    const args = this.#shape.create();
    let at = this.#nameWords;
    for (const step of this.#steps) {
      const next = step(request, at, args);
      if (typeof next === "string") return next;
      at = next;
    }
    return at === request.count ? args : SYNTAX_ERROR;
  }

  #decodeSimple(request: RespRequest): Arguments | string {
    const ranges = this.#ranges;
    const { bytes, spans } = request;
    let at = request.first + 2 * this.#nameWords;
    for (let i = 0; i < ranges.length; i++, at += 2) {
      const range = ranges[i];
      const start = spans[at];
      const end = spans[at + 1];
      const field = this.#rangeFields[i];
      if (end - start < field.bytesMin || end - start > field.bytesMax) return badLength(field, end - start);
      range.bytes = bytes;
      range.start = start;
      range.end = end;
    }
    return this.#reused;
  }

  release(): void {
    for (const range of this.#ranges) range.bytes = NOTHING;
  }

  /** Keys, values and fixed fields before anything else, at most options, can be reused. */
  #prepareReused(declared: RespCommand): number {
    for (const form of declared.arguments) {
      if (form.form === "options") break;
      if (form.form === "fixed") {
        this.#reused[form.field] = form.value;
        continue;
      }
      if (form.form !== "word" || (form.kind !== "key" && form.kind !== "value")) return 0;
      if (form.optional) break;
      const range = form.kind === "key" ? new ByteRange(NOTHING, 0, 0) : new Value(TAG_BYTES, NOTHING, 0, 0);
      this.#reused[form.field] = range;
      this.#ranges.push(range);
      this.#rangeFields.push(fieldOf(this.#shape, form.field, declared.name));
    }
    return this.#nameWords + this.#ranges.length;
  }
}

const NOTHING = new Uint8Array(0);
const NUMBER_KINDS: ReadonlySet<WordKind> = new Set(["integer", "int64", "float"]);

function stepOf(form: ArgumentForm, shape: ArgumentShape, of: string): Step {
  switch (form.form) {
    case "word":
      return wordStep(form, fieldOf(shape, form.field, of));
    case "rest":
      return restStep(form, fieldOf(shape, form.field, of));
    case "tuples":
      return tuplesStep(form, fieldOf(shape, form.field, of), of);
    case "options":
      return optionsStep(form, shape);
    case "fixed": {
      const { name } = fieldOf(shape, form.field, of);
      return (_request, at, args) => {
        args[name] = form.value;
        return at;
      };
    }
  }
}

function fieldOf(shape: ArgumentShape, name: string, of: string): FieldShape {
  const field = shape.fields.find((each) => each.name === name);
  if (field === undefined) throw new Error(`${of} sets ${name}, which its registry command does not take`);
  return field;
}

interface Target {
  readonly field: FieldShape;
  set(args: Arguments, value: unknown): void;
}

/** Where the value of an option goes: `config.max_depth` into an object that is made for the first of its fields. */
function targetOf(shape: ArgumentShape, path: string, of: string): Target {
  const [name, ...rest] = path.split(".");
  const field = fieldOf(shape, name, of);
  if (rest.length === 0) {
    return {
      field,
      set(args, value) {
        args[name] = value;
      },
    };
  }
  const { object } = field;
  if (object === undefined) throw new Error(`${of} sets a field of ${name}, which is no object`);
  const inner = targetOf(object, rest.join("."), of);
  return {
    field: inner.field,
    set(args, value) {
      args[name] ??= object.create();
      // It was made in the line before, by this option or another.
      inner.set(args[name] as Arguments, value);
    },
  };
}

function wordStep(form: WordForm, field: FieldShape): Step {
  const read = wordReader(form.kind, form, field);
  return (request, at, args) => {
    if (at >= request.count) return form.optional ? at : SYNTAX_ERROR;
    const result = read(request, at);
    if (result instanceof Refusal) return result.text;
    args[field.name] = result;
    return at + 1;
  };
}

function restStep(form: RestForm, field: FieldShape): Step {
  const { item } = field;
  if (item === undefined) throw new Error(`${field.name} is no list`);
  const read = wordReader(form.kind, {}, item);
  return (request, at, args) => {
    const list: unknown[] = [];
    const refusal = tooMany(request.count - at, field);
    if (refusal !== undefined) return refusal;
    for (let word = at; word < request.count; word++) {
      const result = read(request, word);
      if (result instanceof Refusal) return result.text;
      list.push(result);
    }
    args[field.name] = list;
    return request.count;
  };
}

function tuplesStep(form: TuplesForm, field: FieldShape, name: string): Step {
  const shape = field.item?.object;
  if (shape === undefined) throw new Error(`${field.name} is no list of objects`);
  const readers = form.items.map((item) => {
    const itemField = fieldOf(shape, item.field, name);
    return { name: itemField.name, read: wordReader(item.kind, {}, itemField) };
  });
  return (request, at, args) => {
    if ((request.count - at) % readers.length !== 0) return wrongArity(name);
    const refusal = tooMany((request.count - at) / readers.length, field);
    if (refusal !== undefined) return refusal;
    const list: Arguments[] = [];
    for (let word = at; word < request.count; ) {
      const tuple = shape.create();
      for (const reader of readers) {
        const result = reader.read(request, word++);
        if (result instanceof Refusal) return result.text;
        tuple[reader.name] = result;
      }
      list.push(tuple);
    }
    args[field.name] = list;
    return request.count;
  };
}

function optionsStep(form: OptionsForm, shape: ArgumentShape): Step {
  const compiled = form.options.map((option) => {
    const target = option.field === undefined ? undefined : targetOf(shape, option.field, option.word);
    if (option.takes === undefined) return { option, target, read: undefined };
    const read =
      target === undefined ? unusedWordReader(option.takes, option) : wordReader(option.takes, option, target.field);
    return { option, target, read };
  });
  const conflicts = form.conflicts ?? [];
  return (request, from, args) => {
    /** The word that each option given takes; 0 for none. */
    const given = new Map<(typeof compiled)[number], number>();
    const read = (each: (typeof compiled)[number], at: number): string | undefined => {
      const result = each.read === undefined ? each.option.value : each.read(request, at);
      if (result instanceof Refusal) return result.text;
      each.target?.set(args, result);
      return undefined;
    };
    for (let at = from; at < request.count; at++) {
      const met = compiled.find(({ option }) => request.is(at, option.word));
      if (met === undefined) return form.unknown?.replace("%s", () => request.text(at)) ?? SYNTAX_ERROR;
      const { group } = met.option;
      if (group !== undefined) {
        for (const other of given.keys()) if (other !== met && other.option.group === group) return SYNTAX_ERROR;
      }
      if (met.read !== undefined && ++at >= request.count) return SYNTAX_ERROR;
      given.set(met, at);
      if (form.eager === true) {
        const refusal = read(met, at);
        if (refusal !== undefined) return refusal;
      }
    }
    for (const { words, error } of conflicts) {
      const isGiven = (word: string): boolean => [...given.keys()].some(({ option }) => option.word === word);
      if (words.every(isGiven)) return error;
    }
    if (form.eager === true) return request.count;
    for (const [each, at] of given) {
      const refusal = read(each, at);
      if (refusal !== undefined) return refusal;
    }
    return request.count;
  };
}

/** A word that cannot be what it should. */
class Refusal {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Bounds = Pick<FieldShape, "minimum" | "maximum">;
type WordReader = (request: RespRequest, word: number) => unknown;

/** For a word that goes to no field. */
function unusedWordReader(kind: WordKind, rule: NumberRule): WordReader {
  if (kind === "integer") return integerReader(rule, ANY_INTEGER);
  if (kind === "int64") return int64Reader(rule);
  throw new Error("only a number can be read for no field");
}

const ANY_INTEGER: Bounds = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };

function wordReader(kind: WordKind, rule: NumberRule, field: FieldShape): WordReader {
  switch (kind) {
    case "key":
      return (request, word) => sized(field, request.range(word));
    case "name":
      return (request, word) => {
        const range = request.range(word);
        return isUtf8(range.bytes.subarray(range.start, range.end)) ? sized(field, range) : notUtf8(field);
      };
    case "object":
      return (request, word) => objectOf(request, word) ?? new Refusal(`ERR ${field.name} is no JSON object`);
    case "value":
      return (request, word) => new Value(TAG_BYTES, request.bytes, request.start(word), request.end(word));
    case "text":
      return (request, word) => {
        const range = sized(field, request.range(word));
        if (range instanceof Refusal) return range;
        const text = range.toString();
        const choice = field.words?.find((each) => each === text.toLowerCase());
        return field.words === undefined ? text : (choice ?? new Refusal(SYNTAX_ERROR));
      };
    case "int64":
      return int64Reader(rule);
    case "integer":
      return integerReader(rule, field);
    case "float":
      return (request, word) => parseFloat64(request.text(word)) ?? new Refusal(rule.invalid ?? NOT_AN_INTEGER);
  }
}

function notUtf8(field: FieldShape): Refusal {
  return new Refusal(`ERR ${field.name} is not UTF-8`);
}

const scanner = new JsonScanner();

/** A word that is a JSON object, as a stored value. */
function objectOf(request: RespRequest, word: number): Value | undefined {
  const bytes = request.bytes.subarray(request.start(word), request.end(word));
  if (!isUtf8(bytes)) return undefined;
  scanner.begin(bytes);
  const start = scanner.space(0);
  if (!scanner.has(start, OPEN_BRACE)) return undefined;
  const end = scanner.value(start, 1);
  if (end < 0 || scanner.space(end) !== bytes.length) return undefined;
  return new Value(TAG_JSON, bytes, start, end);
}

function integerReader(rule: NumberRule, { minimum: least, maximum: most }: Bounds): WordReader {
  const { times = 1, clamp, fitsTimes } = rule;
  const invalid = new Refusal(rule.invalid ?? NOT_AN_INTEGER);
  const outside = rule.outside === undefined ? invalid : new Refusal(rule.outside);
  const minimum = Math.max(rule.minimum ?? Number.MIN_SAFE_INTEGER, Math.ceil(least / times));
  const maximum = Math.min(rule.maximum ?? Number.MAX_SAFE_INTEGER, Math.floor(most / times));
  const below = clamp === "below" || clamp === "both" ? minimum * times : outside;
  const above = clamp === "above" || clamp === "both" ? maximum * times : outside;
  return (request, word) => {
    const parsed = parseDecimal(request.range(word));
    if (parsed === undefined) return invalid;
    if (fitsTimes !== undefined && !isInt64(BigInt(parsed) * BigInt(fitsTimes))) return outside;
    if (parsed < minimum) return below;
    if (parsed > maximum) return above;
    return Number(parsed) * times;
  };
}

function int64Reader({ invalid = NOT_AN_INTEGER, outside = invalid, fitsTimes }: NumberRule): WordReader {
  return (request, word) => {
    const parsed = parseDecimal(request.range(word));
    if (parsed === undefined) return new Refusal(invalid);
    const fits = fitsTimes === undefined || isInt64(BigInt(parsed) * BigInt(fitsTimes));
    return fits ? parsed : new Refusal(outside);
  };
}

/** As Redis reads floats: a decimal or an exponent, or infinity; no spaces around it. */
function parseFloat64(text: string): number | undefined {
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function sized(field: FieldShape, range: ByteRange): ByteRange | Refusal {
  const length = range.end - range.start;
  return length < field.bytesMin || length > field.bytesMax ? new Refusal(badLength(field, length)) : range;
}

function badLength(field: FieldShape, length: number): string {
  return length < field.bytesMin
    ? `ERR ${field.name} may not be empty`
    : `ERR ${field.name} may have at most ${field.bytesMax} bytes`;
}

function tooMany(count: number, field: FieldShape): string | undefined {
  return count <= field.itemsMax ? undefined : `ERR ${field.name} may have at most ${field.itemsMax} items`;
}
