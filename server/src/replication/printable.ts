/** What the other end of a link says, for a line of the log: no longer than a line may be, and without what would break it. */
const LENGTH_MAX = 1024;

export function printable(text: string): string {
  const line = text.slice(0, LENGTH_MAX).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped);
  return line.slice(0, LENGTH_MAX);
}

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
