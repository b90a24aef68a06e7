import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { cpuSeconds, exactCpuSeconds, ProcessGone, rssBytes } from "./processes.ts";
import { usageOf } from "./target.ts";

// skipped elsewhere: it is read from /proc
describe.skipIf(process.platform !== "linux")("what a process uses", () => {
  it("is read while it runs", () => {
    expect(cpuSeconds(process)).toBeGreaterThan(0);
    expect(exactCpuSeconds(process)).toBeGreaterThan(0);
    expect(rssBytes(process)).toBeGreaterThan(2 ** 20);
  });

  it("is unknown once it has ended, also before its parent knows", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    const ended = once(child, "exit");
    // The loop does not turn until then, so nobody is told: what is left is a zombie.
    for (let usage = usageOf(child); usage !== undefined; ) usage = usageOf(child);
    expect(child.exitCode).toBeNull();
    expect(() => rssBytes(child)).toThrow(ProcessGone);
    await ended;
    expect(usageOf(child)).toBeUndefined();
    expect(() => cpuSeconds(child)).toThrow(ProcessGone);
  });
});
