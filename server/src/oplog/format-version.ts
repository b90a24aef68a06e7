/** The version of the formats on disk: of segments, records, snapshots and the identity. See server/docs/log-format.md. */

/** Which one is written. 2 has replies that are remembered in rows, and hashes of another kind. */
export const FORMAT_VERSION = 2;

/** Which ones are read, for people. */
export const KNOWN_VERSIONS = "1 and 2";

export function knowsVersion(version: unknown): boolean {
  return version === 1 || version === FORMAT_VERSION;
}
