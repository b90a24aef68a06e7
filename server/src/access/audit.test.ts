import { expect, it } from "vitest";
import { ManualClock } from "../runtime/clock.ts";
import { Audit, type AuditKind } from "./audit.ts";

it("leaves out lines of a flood, says how many, and hides by it nothing of another kind", () => {
  const clock = new ManualClock();
  const lines: Record<string, unknown>[] = [];
  const audit = new Audit({ info: (fields: unknown) => lines.push(fields as Record<string, unknown>) }, () =>
    clock.monotonicMs(),
  );
  const linesOf = (kind: AuditKind) => lines.filter((line) => line.audit === kind);
  for (let i = 0; i < 1000; i++) audit.record("login_refused", {}, "a token was refused");
  expect(linesOf("login_refused")).toHaveLength(200);
  for (const kind of ["login", "refused"] as const) audit.record(kind, {}, "one");
  for (let i = 0; i < 500; i++)
    for (const kind of ["admin", "tokens"] as const) audit.record(kind, { token: "a" }, "one");
  expect((["login", "refused", "admin", "tokens"] as const).map((kind) => linesOf(kind).length)).toEqual([
    1, 1, 500, 500,
  ]);
  // Where nobody has to log in, anybody may administer.
  for (let i = 0; i < 500; i++) audit.record("admin", {}, "one");
  expect(linesOf("admin")).toHaveLength(700);
  audit.record("admin", { token: "a" }, "one");
  expect(linesOf("admin").at(-1)).toEqual({ audit: "admin", token: "a" });
  clock.advance(1000);
  audit.record("login_refused", {}, "a token was refused");
  expect(linesOf("login_refused").at(-1)).toEqual({ audit: "login_refused", left_out: 800 });
});
