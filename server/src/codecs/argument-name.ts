/** Finds the argument that a name in a message means, byte by byte, with no string made. */
import type { ArgumentShape } from "../commands/argument-shape.ts";

/** The position in `shape.names`, or -1. Commands have a few names, so looking at each in turn is the fast way. */
export function findArgumentName(shape: ArgumentShape, bytes: Uint8Array, start: number, end: number): number {
  const { names } = shape;
  const length = end - start;
  for (let i = 0; i < names.length; i++) {
    const name = names[i].bytes;
    if (name.length !== length) continue;
    let at = 0;
    while (at < length && name[at] === bytes[start + at]) at++;
    if (at === length) return i;
  }
  return -1;
}

/** Which of the words of a choice the bytes are, or `undefined`. Words are ASCII. */
export function findWord(words: readonly string[], bytes: Uint8Array, start: number, end: number): string | undefined {
  const length = end - start;
  for (const word of words) {
    if (word.length !== length) continue;
    let at = 0;
    while (at < length && word.charCodeAt(at) === bytes[start + at]) at++;
    if (at === length) return word;
  }
  return undefined;
}
