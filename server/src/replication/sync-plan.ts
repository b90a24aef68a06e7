/** How a master answers a replica's hello: pure, so that every pair of histories can be tried. */
import {
  type FullSyncReason,
  type Hello,
  LINK_VERSION,
  type LinkIdentity,
  type RefusalReason,
} from "./link-message.ts";

export type SyncPlan =
  | { readonly sync: "partial" }
  | { readonly sync: "full"; readonly reason: FullSyncReason }
  | { readonly sync: "none"; readonly reason: RefusalReason; readonly message: string };

/**
 * A replica gets the records behind its last one where its log is a prefix of the master's: written in the same epochs, and
 * not past the point where the master's next epoch took over.
 *
 *     master   |--- epoch 1 ---|      |--- epoch 3 ------>
 *     replica  |--- epoch 1 -|                            partial
 *     replica  |--- epoch 1 --------|                     full: it has what the master does not know
 *     replica  |--- epoch 1 ---|      |- epoch 4 -|       none: the master is the old one
 *
 * @param lastOffset of the master's log.
 */
export function syncPlan(own: LinkIdentity, lastOffset: number, hello: Hello): SyncPlan {
  if (hello.version !== LINK_VERSION) {
    const message = `the replica speaks version ${hello.version} of the link, and this server ${LINK_VERSION}`;
    return { sync: "none", reason: "VERSION", message };
  }
  if (hello.identity.replicationId !== own.replicationId) return { sync: "full", reason: "another-log" };
  const { history } = own;
  const epoch = hello.identity.history.current.epoch;
  if (epoch > history.current.epoch) {
    return { sync: "none", reason: "STALE_EPOCH", message: staleMessage(history.current.epoch, epoch) };
  }
  const isPrefix = hello.lastOffset <= lastOffset && history.isContinued(hello.identity.history, hello.lastOffset);
  return isPrefix ? { sync: "partial" } : { sync: "full", reason: "diverged" };
}

export function staleMessage(masterEpoch: number, replicaEpoch: number): string {
  return (
    `this master is of epoch ${masterEpoch}, older than the ${replicaEpoch} of the replica: another node was promoted, ` +
    "so start this one again as a replica of that"
  );
}
