/** What the lock of a data directory needs to know of processes. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { codeOf } from "../runtime/error-code.ts";
import type { ProcessIdentity } from "./data-lock.ts";

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, space: `${hostname()} ${processSpace()}`.trim(), startedAt: startOf(process.pid) };
}

/** Whether the process that wrote this still runs here: one that has only its number is another. */
export function isRunning(owner: ProcessIdentity): boolean {
  if (owner.pid === process.pid) return owner.startedAt === startOf(process.pid);
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
    // It runs, as somebody else: EPERM.
  }
  // A process that has ended and whose parent has not looked yet is found too, and has no start any more.
  return owner.startedAt === "" || owner.startedAt === startOf(owner.pid);
}

/** Two containers can have the same host name, and both a process 1. Empty where there are no such spaces. */
function processSpace(): string {
  if (process.platform !== "linux") return "";
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "EACCES") return "";
    throw error;
  }
}

const ENDED = "ended";

/** When a process began, in ticks since the boot that is named beside it; empty where there is no /proc. */
function startOf(pid: number): string {
  if (process.platform !== "linux") return "";
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything; the state is the first field behind it, the start the 20th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? ENDED : `${boot}/${fields[19]}`;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ESRCH") return "";
    throw error;
  }
}
