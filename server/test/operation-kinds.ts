/** What a log holds, as kinds of operations. */
import type { OperationLog } from "../src/oplog/operation-log.ts";
import { Operation, QUEUE_KIND_MIN } from "../src/state/operation.ts";
import { otherOperationBytes } from "../src/state/operation-bytes.ts";
import { rangeOf } from "../src/structures/byte-range.ts";

/** The kinds in each record from `offset` on. */
export function allOperationKinds(log: OperationLog, offset: number): number[][] {
  const records: number[][] = [];
  const operation = new Operation(rangeOf(""), rangeOf(""));
  log.read(offset, ({ operations }) => {
    const kinds: number[] = [];
    for (let at = 0; at < operations.length; ) {
      kinds.push(operations[at]);
      const isOfKeys = operations[at] < QUEUE_KIND_MIN;
      at = isOfKeys ? operation.read(operations, at, operations.length) : at + otherOperationBytes(operations, at);
    }
    records.push(kinds);
    return true;
  });
  return records;
}
