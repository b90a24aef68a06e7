/**
 * The system calls of a server, as strace has seen them, one line for what begins and one for what ends later:
 *
 *     101 pwrite64(19</data/log-0170000000000000.synap>, "...", 60, 94) = 60
 *     102 fdatasync(19</data/log-0170000000000000.synap> <unfinished ...>
 *     101 sendto(21<socket:[5]>, "...", 220, 0, NULL, 0) = 220
 *     102 <... fdatasync resumed>)             = 0
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface SystemCall {
  readonly name: string;
  /** The file, or the name of the socket. */
  readonly file: string;
  readonly line: string;
  /** Places in the trace. */
  readonly begunAt: number;
  endedAt: number;
}

const CALL = /^(\d+) +(\w+)\(\d+<([^>]*)>/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>/;

/** Why no process can be traced here; undefined where one can. */
export function traceMissing(): string | undefined {
  const { error, status, stderr } = spawnSync("strace", ["-f", "-e", "trace=write", "-o", "/dev/null", "true"], {
    encoding: "utf8",
  });
  if (error !== undefined) return `strace cannot be run: ${error.message}`;
  return status === 0 ? undefined : `strace is not allowed: ${stderr.trim()}`;
}

/** For strace: what to write where, of a whole process. */
export function traceArguments(output: string): string[] {
  const calls = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg";
  // As long as a reply of these tests is, in bytes of a string.
  return ["-f", "-y", "-s", "400", "-e", calls, "-o", output];
}

export function readTrace(path: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const open = new Map<string, SystemCall>();
  for (const [at, line] of readFileSync(path, "latin1").split("\n").entries()) {
    const [, resumedBy, resumed] = RESUMED.exec(line) ?? [];
    if (resumedBy !== undefined) {
      const call = open.get(`${resumedBy} ${resumed}`);
      if (call !== undefined) call.endedAt = at;
      continue;
    }
    const [, thread, name, file] = CALL.exec(line) ?? [];
    if (thread === undefined) continue;
    const call = { name, file, line, begunAt: at, endedAt: at };
    calls.push(call);
    if (line.endsWith("<unfinished ...>")) open.set(`${thread} ${name}`, call);
  }
  return calls;
}
