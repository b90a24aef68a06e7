/** Where in a payload a decoder is, and the errors of arguments, in the same words for every format. */
import type { ArgumentShape, FieldShape } from "../commands/argument-shape.ts";
import { type CommandError, fail } from "../commands/errors.ts";
import { editDistance } from "../structures/edit-distance.ts";

/** How much of a name that a client made up is repeated to it. */
const NAME_LENGTH_MAX = 100;
const ITEM_SUFFIX = "[]";

/**
 * The lists and objects around the current argument. Kept as numbers and shared strings while all goes well; only a
 * failure turns it into text such as `pairs[3].key`.
 */
export class ArgumentPath {
  readonly #names: string[] = [];
  /** The position in a list; -1 in an object. */
  readonly #indexes: number[] = [];
  #depth = 0;

  reset(): void {
    this.#depth = 0;
  }

  /** Goes into the list or object that `field` is. */
  enter(field: FieldShape): void {
    this.#names[this.#depth] = this.isItem(field) ? "" : field.name;
    this.#indexes[this.#depth] = -1;
    this.#depth++;
  }

  /** Moves to an item of the list entered last. */
  moveTo(index: number): void {
    this.#indexes[this.#depth - 1] = index;
  }

  leave(): void {
    this.#depth--;
  }

  /** Is `field` the item of a list? Then it has no name of its own; `compileShape` calls it `pairs[]`. */
  isItem(field: FieldShape): boolean {
    return field.name.endsWith(ITEM_SUFFIX);
  }

  /** The path of a field where the decoder is now. */
  of(field: FieldShape): string {
    return this.isItem(field) ? this.#toText() : this.ofName(field.name);
  }

  ofName(name: string): string {
    const outer = this.#toText();
    return outer === "" ? name : `${outer}.${name}`;
  }

  #toText(): string {
    let text = "";
    for (let i = 0; i < this.#depth; i++) {
      const name = this.#names[i];
      text += text === "" || name === "" ? name : `.${name}`;
      if (this.#indexes[i] >= 0) text += `[${this.#indexes[i]}]`;
    }
    return text;
  }
}

const EXPECTED: Readonly<Record<FieldShape["kind"], string>> = {
  key: "a string",
  value: "a value",
  integer: "an integer",
  int64: "an integer of 64 bits",
  boolean: "true or false",
  text: "a string",
  id: "a string or an integer",
  any: "a value",
  array: "a list",
  object: "an object",
};

export function wrongType(path: string, field: FieldShape): CommandError {
  return fail("INVALID_PAYLOAD", `${path} must be ${EXPECTED[field.kind]}`, { path });
}

export function outOfRange(path: string, field: FieldShape): CommandError {
  const { minimum, maximum } = field;
  return fail("INVALID_PAYLOAD", `${path} must be an integer from ${minimum} to ${maximum}`, {
    path,
    minimum,
    maximum,
  });
}

/** A string shorter or longer than its field allows. Data over its limit is PAYLOAD_TOO_LARGE, a word is just wrong. */
export function wrongLength(path: string, field: FieldShape, lengthBytes: number): CommandError {
  if (lengthBytes < field.bytesMin) {
    const reason = lengthBytes === 0 ? "must not be empty" : `must have at least ${field.bytesMin} bytes`;
    return fail("INVALID_PAYLOAD", `${path} ${reason}`, { path });
  }
  return fail(
    field.kind === "key" ? "PAYLOAD_TOO_LARGE" : "INVALID_PAYLOAD",
    `${path} may have at most ${field.bytesMax} bytes`,
    { path, limit_bytes: field.bytesMax, bytes: lengthBytes },
  );
}

/** @param lengthBytes `undefined` where it was not worth finding out. */
export function valueTooLarge(path: string, limitBytes: number, lengthBytes: number | undefined): CommandError {
  return fail("PAYLOAD_TOO_LARGE", `a value may have at most ${limitBytes} bytes`, {
    path,
    limit_bytes: limitBytes,
    bytes: lengthBytes,
  });
}

export function notOneOf(path: string, words: readonly string[]): CommandError {
  return fail("INVALID_PAYLOAD", `${path} must be one of ${words.join(", ")}`, { path, choices: words });
}

/** A list with fewer or more items than its field allows. */
export function wrongItemCount(path: string, field: FieldShape, count: number): CommandError {
  if (count < field.itemsMin) {
    return fail("INVALID_PAYLOAD", `${path} must have at least ${items(field.itemsMin)}`, { path });
  }
  return fail("INVALID_PAYLOAD", `${path} may have at most ${items(field.itemsMax)}`, { path, limit: field.itemsMax });
}

function items(count: number): string {
  return count === 1 ? "1 item" : `${count} items`;
}

/** A value that its format can say and the store cannot keep. */
export function unusableValue(path: string, reason: string): CommandError {
  return fail("INVALID_PAYLOAD", `${path} ${reason}`, { path });
}

export function duplicateArgument(path: string): CommandError {
  return fail("INVALID_PAYLOAD", `${path} is there twice`, { path });
}

export function namesMustBeStrings(path: string): CommandError {
  return fail("INVALID_PAYLOAD", "the names of arguments must be strings", { path });
}

export function missingArgument(path: ArgumentPath, shape: ArgumentShape, seen: number): CommandError {
  const missing = shape.fields.find((field) => field.required && (seen & (1 << field.index)) === 0);
  const name = path.ofName(missing?.name ?? "");
  return fail("INVALID_PAYLOAD", `${name} is missing`, { path: name });
}

/** Names the nearest name that the command has, if one is near enough to have been meant. */
export function unknownArgument(path: ArgumentPath, shape: ArgumentShape, name: string): CommandError {
  const shown = clip(name);
  const full = path.ofName(shown);
  const nearest = nearestName(shape, shown);
  if (nearest === undefined) return fail("INVALID_PAYLOAD", `there is no argument ${full}`, { path: full });
  return fail("INVALID_PAYLOAD", `there is no argument ${full}; did you mean ${nearest}?`, {
    path: full,
    did_you_mean: nearest,
  });
}

function nearestName(shape: ArgumentShape, name: string): string | undefined {
  let nearest: string | undefined;
  let nearestDistance = Math.max(1, Math.floor(name.length / 2)) + 1;
  for (const known of shape.names) {
    if (known.field === null) continue;
    const candidate = String.fromCharCode(...known.bytes);
    const distance = editDistance(name, candidate);
    if (distance < nearestDistance && distance < candidate.length) {
      nearestDistance = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** As much of a made-up name as is worth repeating, never half a letter. */
export function clip(name: string): string {
  return name.length <= NAME_LENGTH_MAX ? name : `${[...name.slice(0, NAME_LENGTH_MAX)].slice(0, -1).join("")}...`;
}
