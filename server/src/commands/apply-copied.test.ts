import { expect, it } from "vitest";
import { Engine } from "../../test/engine.ts";
import type { LogRecord } from "../oplog/log-record.ts";

it("a copied record that does not hold as many operations as it says is not taken", () => {
  const master = new Engine();
  const records: LogRecord[] = [];
  // The key that is overdue goes in the same record.
  master.run("kv.set", { key: "a", value: 1, ttl: 1 });
  master.nowMs += 2000;
  master.run("kv.set", { key: "a", value: 2 });
  master.log.backlog.read(1, (record) => records.push(record) > 0);
  expect(records).toMatchObject([{ count: 1 }, { count: 2 }]);
  for (const count of [1, 2, 3]) {
    const { executor } = new Engine();
    executor.applyCopied(records[0]);
    const copy = () => executor.applyCopied({ ...records[1], count });
    if (count === 2) copy();
    else expect(copy).toThrow(/could not be applied/);
  }
});
