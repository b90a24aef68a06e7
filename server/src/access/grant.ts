/**
 * What one caller may do now: the permissions of its token, compiled, with the token's end. Every connection has one; those of
 * one token share it, so that revoking the token is one assignment.
 *
 *     slot = subsystem x level      kv read, kv write, kv admin, queue read, ...
 *     slot -> prefixes              what the slot's names may begin with; none refuses, the empty one is everything
 *
 * A check walks the prefixes and compares bytes where they lie: no string and no object is made. A permission of a greater
 * level is in the slots of the lesser ones too, so that one look is enough.
 */
import { ByteRange } from "../structures/byte-range.ts";
import { LEVELS, type Level, type Permission, SUBSYSTEMS, type Subsystem } from "./permission.ts";

/** Why a grant is none (any more). */
export type GrantEnd = "anonymous" | "revoked" | "expired";

/** The same for people. */
export const END_TEXTS: Readonly<Record<GrantEnd, string>> = {
  anonymous: "this server wants a token: send it as Authorization: Bearer TOKEN, or with the command auth",
  revoked: "the token was revoked",
  expired: "the token has expired",
};

const NO_TURN = -1;
const DOT = 0x2e;

/** Where a subsystem and a level are in a grant. */
export function slotOf(subsystem: Subsystem, level: Level): number {
  return SUBSYSTEMS.indexOf(subsystem) * LEVELS.length + LEVELS.indexOf(level);
}

/** What a grant was given by, where it ends with that: the key of a signed token. */
export interface GrantIssuer {
  end: GrantEnd | undefined;
}

export class Grant {
  /** The token's name, as people are told it; empty for nobody's. */
  readonly name: string;
  /**
   * Whose client ids, idempotent ids, scans and rates these are: the name, and of a signed token who has signed it too, since two
   * signers may each have an `ada`. ASCII of at most 255 bytes; the same on each node and after each start.
   */
  readonly owner: string;
  readonly permissions: readonly Permission[];
  readonly expiresAtMs: number;
  /** Everything may be done, and nothing is looked at: nobody has to log in here. */
  isUnrestricted = false;
  #end: GrantEnd | undefined;
  /**
   * The turn of the executor in which it was last found to be one. The commands of a burst share it: a comparison of small
   * integers is all that the second of them pays, where an instant would be a number on the heap.
   */
  validTurn = NO_TURN;
  readonly #issuer: GrantIssuer | undefined;
  readonly #slots: readonly Slot[];

  constructor(
    name: string,
    permissions: readonly Permission[],
    expiresAtMs = Number.POSITIVE_INFINITY,
    issuer?: GrantIssuer,
    owner = name,
  ) {
    this.#issuer = issuer;
    this.name = name;
    this.owner = owner;
    this.permissions = permissions;
    this.expiresAtMs = expiresAtMs;
    this.#slots = SUBSYSTEMS.flatMap((subsystem) => LEVELS.map((level) => compile(permissions, subsystem, level)));
  }

  /** Set when it ends before its time, or was none from the beginning. */
  get end(): GrantEnd | undefined {
    return this.#end;
  }

  set end(end: GrantEnd | undefined) {
    this.#end = end;
    this.validTurn = NO_TURN;
  }

  /** Why it is no grant at `nowMs`; undefined where it is one. */
  endAt(nowMs: number): GrantEnd | undefined {
    if (this.#end !== undefined) return this.#end;
    if (this.#issuer?.end !== undefined) return this.#issuer.end;
    return nowMs >= this.expiresAtMs ? "expired" : undefined;
  }

  /** Whether a name may be used. */
  allows(slot: number, name: ByteRange): boolean {
    if (this.allowsAllFrom(slot, name)) return true;
    const { exact } = this.#slots[slot];
    return exact.length > 0 && isOneOf(exact, name.bytes, name.start, name.end);
  }

  /** Whether every name that begins with `prefix` may be used: `orders` may be by `orders.`, but `orders-secret` is not. */
  allowsAllFrom(slot: number, prefix: ByteRange): boolean {
    const { prefixes } = this.#slots[slot];
    const { bytes, start, end } = prefix;
    for (let i = 0; i < prefixes.length; i++) if (startsWith(bytes, start, end, prefixes[i])) return true;
    return false;
  }

  /** Whether every name of the subsystem may be used. */
  allowsAll(slot: number): boolean {
    return this.#slots[slot].isWhole;
  }

  /** Whether some name may be. */
  allowsAny(slot: number): boolean {
    return this.#slots[slot].prefixes.length > 0;
  }

  /**
   * What names a walk that wants those that begin with `wanted` may see: all of these, or those of the one permitted prefix
   * among them. `undefined` where that is none, or several, between which others' names lie.
   */
  narrowed(slot: number, wanted: ByteRange): ByteRange | undefined {
    if (this.allowsAllFrom(slot, wanted)) return wanted;
    const beginning = wanted.bytes.subarray(wanted.start, wanted.end);
    const inside = this.#slots[slot].ranges.filter(({ bytes, start, end }) => startsWith(bytes, start, end, beginning));
    return inside.length === 1 ? inside[0] : undefined;
  }

  /** What the permitted names begin with, each range apart from the others, in unsigned byte order; the empty one is every name. */
  prefixesOf(slot: number): readonly ByteRange[] {
    return this.#slots[slot].ranges;
  }

  /** Whether it may do all that `other` may: then what `other` has begun may go on. */
  covers(other: Grant): boolean {
    if (other.isUnrestricted) return this.isUnrestricted;
    return other.#slots.every(({ ranges }, slot) => ranges.every((range) => this.allowsAllFrom(slot, range)));
  }
}

interface Slot {
  readonly isWhole: boolean;
  /** None is inside another: the empty one is the only one. */
  readonly prefixes: readonly Uint8Array[];
  /** The same, for who needs ranges. */
  readonly ranges: readonly ByteRange[];
  /** Names that are permitted as a whole: `orders`, by the topic prefix `orders.`, since `orders.#` matches it. */
  readonly exact: readonly Uint8Array[];
}

function compile(permissions: readonly Permission[], subsystem: Subsystem, level: Level): Slot {
  const given = permissions.filter(
    (each) =>
      (each.subsystem === "*" || each.subsystem === subsystem) && LEVELS.indexOf(each.level) >= LEVELS.indexOf(level),
  );
  const all = [...new Set(given.map(({ prefix }) => prefix))];
  // One inside another would make two of what is one range of names.
  const outermost = all.filter((each) => !all.some((other) => other !== each && each.startsWith(other)));
  const prefixes = outermost.map((prefix) => new Uint8Array(Buffer.from(prefix))).sort(Buffer.compare);
  return {
    isWhole: prefixes.some(({ length }) => length === 0),
    prefixes,
    ranges: prefixes.map((bytes) => new ByteRange(bytes, 0, bytes.length)),
    exact: subsystem === "pubsub" ? prefixes.filter(endsWithDot).map((bytes) => bytes.subarray(0, -1)) : [],
  };
}

function isOneOf(names: readonly Uint8Array[], bytes: Uint8Array, start: number, end: number): boolean {
  return names.some((name) => end - start === name.length && startsWith(bytes, start, end, name));
}

function endsWithDot(bytes: Uint8Array): boolean {
  return bytes.length > 1 && bytes[bytes.length - 1] === DOT;
}

function startsWith(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  const { length } = prefix;
  if (end - start < length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== prefix[i]) return false;
  return true;
}

/** A grant of everything, for callers that are nobody's: tests, and a server where nobody has to log in. */
export function unrestrictedGrant(): Grant {
  const grant = new Grant("", [{ subsystem: "*", level: "admin", prefix: "" }]);
  grant.isUnrestricted = true;
  return grant;
}

/** That of a connection which has not said who it is. */
export function anonymousGrant(): Grant {
  const grant = new Grant("", []);
  grant.end = "anonymous";
  return grant;
}
