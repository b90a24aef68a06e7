/**
 * Gives up a log from a damage on, as the operator has asked for: what is good before it stays, the rest is put aside, and the log
 * can be read to its end then.
 *
 *     log-1 [rec][rec][rec]   log-2 [rec][xxxxxxxxxxx]   log-3 [rec][rec]
 *           '------- stay --------------' '--- given-up-OFFSET/ ---------'
 */
import { type FileSystem, readWhole, replaceFile, writeAndClose } from "./file-system.ts";
import { type Damage, listSegments } from "./log-file-reader.ts";
import { SEGMENT_HEADER_BYTES } from "./segment.ts";

export interface GivenUp {
  /** The folder that has what was put aside. */
  readonly folder: string;
  /** Of the damaged file, from the damage on. */
  readonly bytes: number;
  /** Whole files behind it. */
  readonly files: number;
}

/** Can be done again, where a crash comes in between. @param nextOffset that of the first operation that is given up. */
export async function giveUpLog(
  files: FileSystem,
  directory: string,
  { name, at }: Damage,
  nextOffset: number,
): Promise<GivenUp> {
  const folder = `given-up-${String(nextOffset).padStart(16, "0")}`;
  const aside = `${directory}/${folder}`;
  await files.makeDirectory(aside);
  const segments = await listSegments(files, directory);
  const damaged = segments.findIndex((each) => each.name === name);
  const isCut = at >= SEGMENT_HEADER_BYTES;
  const later = segments.slice(isCut ? damaged + 1 : damaged);
  // From the end on: what is left is never a log with a hole.
  for (const segment of later.toReversed())
    await files.rename(`${directory}/${segment.name}`, `${aside}/${segment.name}`);
  const bytes = isCut ? await cutFrom(files, directory, name, at, aside) : 0;
  await files.syncDirectory(aside);
  await files.syncDirectory(directory);
  return { folder, bytes, files: later.length };
}

async function cutFrom(files: FileSystem, directory: string, name: string, at: number, aside: string): Promise<number> {
  const whole = await readWhole(files, `${directory}/${name}`);
  if (whole === undefined) throw new Error(`${name} was there a moment ago`);
  const rest = whole.subarray(at);
  const kept = `${name}.from-${at}`;
  // A crash before this may have left zeros here, and then what was here is there already.
  if (!(await files.list(aside)).includes(kept)) {
    await replaceFile(files, aside, kept, rest);
  }
  const damaged = await files.open(`${directory}/${name}`, "write");
  await writeAndClose(damaged, new Uint8Array(rest.length), at);
  return rest.length;
}
