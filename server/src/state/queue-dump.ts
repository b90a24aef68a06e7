/** All queues as text, to compare one state with another, and the checks of their structures. For tests. */
import { ByteRange } from "../structures/byte-range.ts";
import type { Queue } from "./queue.ts";
import type { QueueDuplicates } from "./queue-duplicates.ts";
import type { QueueMessages } from "./queue-messages.ts";
import { DEATH_REASON_NAMES, STATE_NAMES, STATE_READY, TURN } from "./queue-record.ts";
import { TAG_NAMES, TAG_TEXT, Value } from "./value.ts";

/** One line for each queue, message and dedup id, in an order that the state decides. */
export function dumpQueues(queues: readonly Queue[], messages: QueueMessages, duplicates: QueueDuplicates): string {
  const lines: string[] = [];
  for (const queue of queues) {
    const { id, name, config, totals, retryThrough } = queue;
    const retrying = retryThrough === 0 ? "" : ` retrying ${retryThrough}`;
    lines.push(`queue ${id} ${JSON.stringify(name)} ${JSON.stringify(config)} ${JSON.stringify(totals)}${retrying}`);
    for (const lane of queue.lanes) {
      if (lane === undefined) continue;
      for (let ref = lane.first; ref !== 0; ref = messages.order.next(ref)) lines.push(messageLine(messages, ref));
    }
    lines.push(...duplicates.dump(queue));
  }
  return lines.join("\n");
}

function messageLine(messages: QueueMessages, ref: number): string {
  const payload = new Value(TAG_TEXT, new Uint8Array(0), 0, 0);
  const headers = new ByteRange(payload.bytes, 0, 0);
  messages.readPayload(ref, payload);
  messages.readHeaders(ref, headers);
  const parts = [
    `  ${STATE_NAMES[messages.stateOf(ref)]} ${messages.idOf(ref)} turn ${messages.longOf(ref, TURN)}`,
    `priority ${messages.priorityOf(ref)} retries ${messages.retryCountOf(ref)}/${messages.maxRetriesOf(ref)}`,
    `published ${messages.publishedAtMsOf(ref)} instant ${messages.instantMsOf(ref)}`,
    `expires ${messages.expiresAtMsOf(ref)} died ${DEATH_REASON_NAMES[messages.deathReasonOf(ref)]}`,
    `${TAG_NAMES[payload.tag]} ${hex(payload)} headers ${hex(headers)}`,
  ];
  return parts.join(" ");
}

function hex(range: ByteRange): string {
  return Buffer.from(range.bytes.subarray(range.start, range.end)).toString("hex");
}

/**
 * Throws where the structures disagree.
 * @param slots queues by slot, with those deleted that have dedup ids left.
 */
export function checkQueues(
  slots: readonly (Queue | undefined)[],
  queues: readonly Queue[],
  messages: QueueMessages,
  duplicates: QueueDuplicates,
): void {
  duplicates.checkInvariants();
  let dedupCount = 0;
  for (const queue of slots) if (queue !== undefined) dedupCount += duplicates.checkQueue(queue);
  if (dedupCount !== duplicates.slab.count) throw new Error("dedup ids of no queue are left");
  let messageCount = 0;
  for (const queue of queues) messageCount += checkCounts(queue);
  if (messages.checkInvariants() !== messageCount) throw new Error("messages of no queue are left");
}

function checkCounts(queue: Queue): number {
  const counts = [0, 0, 0, 0];
  const bytes = [0, 0, 0, 0];
  let mask = 0;
  for (const lane of queue.lanes) {
    if (lane === undefined) continue;
    if (lane.detached) throw new Error("a queue has a detached lane");
    counts[lane.state] += lane.count;
    bytes[lane.state] += lane.bytes;
    if (lane.state === STATE_READY && lane.count > 0) mask |= 1 << lane.place;
  }
  if (mask !== queue.readyMask) throw new Error(`queue ${queue.name} shows the wrong priorities`);
  for (const state of [0, 1, 2, 3] as const) {
    if (counts[state] !== queue.counts[state] || bytes[state] !== queue.bytesIn(state))
      throw new Error(`queue ${queue.name} counts ${STATE_NAMES[state]} messages wrong`);
  }
  if (queue.dedupHandle >= 0 !== queue.dedupCount > 0) throw new Error("dedup ids have no deadline");
  return counts.reduce((sum, count) => sum + count, 0);
}
