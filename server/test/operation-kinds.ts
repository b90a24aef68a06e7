/** What a log holds, as kinds of operations. */
import type { OperationLog } from "../src/oplog/operation-log.ts";
import { Operation, QUEUE_KIND_MIN } from "../src/state/operation.ts";
import { otherOperationBytes } from "../src/state/operation-bytes.ts";
import { rangeOf } from "../src/structures/byte-range.ts";

/** The kinds of the operations of one record. */
export function kindsIn(operations: Uint8Array): number[] {
  const operation = new Operation(rangeOf(""), rangeOf(""));
  const kinds: number[] = [];
  for (let at = 0; at < operations.length; ) {
    kinds.push(operations[at]);
    const isOfKeys = operations[at] < QUEUE_KIND_MIN;
    at = isOfKeys ? operation.read(operations, at, operations.length) : at + otherOperationBytes(operations, at);
  }
  return kinds;
}

/** The kinds in each record from `offset` on. */
export function allOperationKinds(log: OperationLog, offset: number): number[][] {
  const records: number[][] = [];
  log.read(offset, ({ operations }) => records.push(kindsIn(operations)) > 0);
  return records;
}
