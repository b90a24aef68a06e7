/**
 * What a frame shows of the log, read off the frame itself: the tokens of writes, versions of keys and ids of deliveries that
 * stand in it, and what its request has written or read. So a frame that left too early is found by what it says, whatever
 * the server believed that it depends on.
 */
import type { Frame } from "./client-connection.ts";
import { Finding } from "./finding.ts";
import { stretchesOf, TOKEN, type WrittenEpoch, type WrittenRecord } from "./log-history.ts";
import type { NodeAccounts } from "./node-account.ts";
import type { Engine, SimulatedNode } from "./simulated-node.ts";

const NUMBERED = /"(?:delivery_id|version)":(\d+)/g;

/** Notes what has left the process of a node. */
export function noteShown(accounts: NodeAccounts, node: SimulatedNode, engine: Engine, frame: Frame): void {
  const { log, state } = engine;
  const path = accounts.pathOf(node, log);
  let last = frame.dependsOn;
  for (const token of new Set(frame.text.match(TOKEN))) {
    const record = withToken(path, token, state.appliedOffset);
    if (record === undefined) {
      throw new Finding("shown and taken back", `${node.name} shows ${token}, which is not in its log: ${frame.text}`);
    }
    last = Math.max(last, record.lastOffset);
  }
  for (const [, digits] of frame.text.matchAll(NUMBERED)) {
    const offset = Number(digits);
    if (offset === 0) continue;
    if (!path.some((epoch) => epoch.at(offset) !== undefined)) {
      throw new Finding(
        "shown and taken back",
        `${node.name} shows offset ${offset}, which is not in its log: ${frame.text}`,
      );
    }
    last = Math.max(last, offset);
  }
  if (last > 0) accounts.shown(node, log, last);
}

/** The first record with this token on a path. */
export function withToken(path: readonly WrittenEpoch[], token: string, end: number): WrittenRecord | undefined {
  for (const stretch of stretchesOf(path, end)) {
    const record = stretch.epoch.withToken(token);
    if (record !== undefined && record.firstOffset <= stretch.end) return record;
  }
  return undefined;
}
