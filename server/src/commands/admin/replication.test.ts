import { expect, it } from "vitest";
import { Engine, NO_REPLICATION } from "../../../test/engine.ts";
import { fail } from "../errors.ts";

it("admin.wait is refused while too many wait, and answers where there is nothing to wait for", () => {
  const engine = new Engine();
  const refusal = fail("SERVICE_UNAVAILABLE", "too many");
  expect(engine.run("admin.wait", { replicas: 1 })).toHaveProperty("waitMs");
  Object.assign(engine.node, { replication: { ...NO_REPLICATION, waitsRefusal: () => refusal } });
  expect(engine.run("admin.wait", { replicas: 1 })).toBe(refusal);
  expect(engine.run("admin.wait", { replicas: 0 })).toEqual({ replicas: 0 });
});
