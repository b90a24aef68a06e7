/**
 * What a command needs of its caller's token, declared with it: which arguments name what it touches, or what stands for that
 * where none does. The subsystem is the first part of the command's name, the level its `access`.
 *
 *     named("key")                 each name given there must be permitted; `pairs.key` looks into a list of objects
 *     named(reads("source"), ..)   the same, where this argument is only read
 *     matching(globOf("pattern"))    all that the argument can match must be permitted, or the command is refused
 *     WHOLE                        every name of the subsystem: counts, flushes, a random key, all of admin
 *     FILTERED                     the command leaves out of its answer what is not permitted (`caller.grant`)
 *     OWN                          touches only what its own connection has; some permission of the subsystem is enough
 *     KNOWN                        any token that is valid
 *     ANYBODY                      no token: it is how one says who one is
 *
 * Compiled once, at start. A check makes nothing: it compares bytes of the request with prefixes.
 */
import { END_TEXTS, type Grant, slotOf } from "../access/grant.ts";
import type { Level, Subsystem } from "../access/permission.ts";
import { ByteRange } from "../structures/byte-range.ts";
import { literalPrefixLength } from "../structures/glob.ts";
import { literalTopicLength, MANY } from "../structures/topic-problem.ts";
import { type CommandError, fail } from "./errors.ts";

interface Named {
  readonly path: string;
  readonly level?: Level;
}

interface Matched {
  readonly path: string;
  readonly as: "glob" | "topic" | "prefix";
}

export type AccessRule =
  | { readonly kind: "named"; readonly arguments: readonly Named[] }
  | { readonly kind: "matching"; readonly arguments: readonly Matched[] }
  | { readonly kind: "whole" | "filtered" | "own" | "known" | "anybody" };

export const WHOLE: AccessRule = { kind: "whole" };
export const FILTERED: AccessRule = { kind: "filtered" };
export const OWN: AccessRule = { kind: "own" };
export const KNOWN: AccessRule = { kind: "known" };
export const ANYBODY: AccessRule = { kind: "anybody" };

export function named(...args: readonly (string | Named)[]): AccessRule {
  return { kind: "named", arguments: args.map((each) => (typeof each === "string" ? { path: each } : each)) };
}

/** An argument that a command only reads, whatever else it does. */
export function reads(path: string): Named {
  return { path, level: "read" };
}

export function matching(...args: readonly Matched[]): AccessRule {
  return { kind: "matching", arguments: args };
}

export function globOf(path: string): Matched {
  return { path, as: "glob" };
}

export function prefixOf(path: string): Matched {
  return { path, as: "prefix" };
}

/** Topics or patterns of topics. */
export function topicsOf(path: string): Matched {
  return { path, as: "topic" };
}

type Arguments = Readonly<Record<string, unknown>>;

/** The path of the first argument that is not permitted; empty where no argument says it; undefined where all are. */
export type AccessCheck = (args: Arguments, grant: Grant) => string | undefined;

export function compileAccess(rule: AccessRule, subsystem: Subsystem, level: Level): AccessCheck {
  const slot = slotOf(subsystem, level);
  switch (rule.kind) {
    case "named":
      return firstRefusal(rule.arguments.map((each) => checkNamed(each.path, slotOf(subsystem, each.level ?? level))));
    case "matching":
      return checkMatching(rule.arguments, slot);
    case "whole":
      return (_args, grant) => (grant.allowsAll(slot) ? undefined : "");
    case "filtered":
    case "own":
      return (_args, grant) => (grant.allowsAny(slot) ? undefined : "");
    case "known":
    case "anybody":
      return () => undefined;
  }
}

function firstRefusal(checks: readonly AccessCheck[]): AccessCheck {
  if (checks.length === 1) return checks[0];
  return (args, grant) => {
    for (let i = 0; i < checks.length; i++) {
      const refused = checks[i](args, grant);
      if (refused !== undefined) return refused;
    }
    return undefined;
  };
}

/** An argument that is not there names nothing: whether it may be missing is for the command to say. */
function checkNamed(path: string, slot: number): AccessCheck {
  const [name, member] = path.split(".", 2);
  const argumentOf = getterOf(name);
  return (args, grant) => {
    const value = argumentOf(args);
    if (value instanceof ByteRange) return grant.allows(slot, value) ? undefined : path;
    if (!Array.isArray(value)) return undefined;
    for (const item of value) {
      const range: unknown = member === undefined ? item : (item as Arguments)[member];
      if (range instanceof ByteRange && !grant.allows(slot, range)) return path;
    }
    return undefined;
  };
}

/** A function of its own for each argument, so that the engine knows the one shape of object it looks into. */
function getterOf(name: string): (args: Arguments) => unknown {
  // The body reads a member whose name is one of our declarations.
  return new Function("args", `return args[${JSON.stringify(name)}];`) as (args: Arguments) => unknown;
}

function checkMatching(args: readonly Matched[], slot: number): AccessCheck {
  return (given, grant) => {
    let isGiven = false;
    for (const { path, as } of args) {
      const value = given[path];
      const ranges: readonly unknown[] = Array.isArray(value) ? value : [value];
      for (const range of ranges) {
        if (!(range instanceof ByteRange)) continue;
        isGiven = true;
        if (!permitsMatches(grant, slot, range, as)) return path;
      }
    }
    // Nothing that narrows it: it is about all names.
    return isGiven || grant.allowsAll(slot) ? undefined : args[0].path;
  };
}

/** Whether all that can match is permitted: what every match begins with is. */
function permitsMatches(grant: Grant, slot: number, pattern: ByteRange, as: Matched["as"]): boolean {
  const { bytes, start, end } = pattern;
  if (as === "prefix") return grant.allowsAllFrom(slot, pattern);
  if (as === "glob") {
    const length = literalPrefixLength(pattern);
    if (start + length === end) return grant.allows(slot, pattern);
    return grant.allowsAllFrom(slot, new ByteRange(bytes, start, start + length));
  }
  const literal = new ByteRange(bytes, start, start + literalTopicLength(bytes, start, end));
  if (!grant.allows(slot, literal)) return false;
  // `orders.#` matches `orders` too.
  const isMany = literal.end < end && bytes[literal.end] === MANY;
  return !isMany || literal.length === 0 || grant.allows(slot, new ByteRange(bytes, start, literal.end - 1));
}

/** Why a grant is none at `nowMs`; undefined where it is one. */
export function grantRefusal(grant: Grant, nowMs: number): CommandError | undefined {
  const end = grant.endAt(nowMs);
  return end === undefined ? undefined : fail("UNAUTHORIZED", END_TEXTS[end]);
}

/** What of a command the rules look at. */
interface GuardedCommand {
  readonly name: string;
  readonly access: Level;
  readonly subsystem: Subsystem;
  readonly accessRule: AccessRule;
  readonly accessCheck: AccessCheck;
}

/** Why a caller may not run a command with these arguments, which it may not: `Executor#permits` has seen that. */
export function accessRefusal(command: GuardedCommand, args: Arguments, grant: Grant, nowMs: number): CommandError {
  return grantRefusal(grant, nowMs) ?? forbidden(command, command.accessCheck(args, grant) ?? "");
}

function forbidden({ name, access, subsystem, accessRule }: GuardedCommand, path: string): CommandError {
  const refused = accessRule.kind === "named" ? accessRule.arguments.find((each) => each.path === path) : undefined;
  const needs = `${subsystem}:${refused?.level ?? access}`;
  const all = accessRule.kind === "whole" ? `${needs}:*` : needs;
  const what = path === "" ? all : `${needs} for what is given as ${path}`;
  return fail("FORBIDDEN", `the token does not permit ${name}: it needs ${what}`, {
    needs,
    ...(path === "" ? {} : { path }),
  });
}
