/**
 * Where a replica serves clients, as its master tells it on. One that listens on all addresses of its machine announces
 * 0.0.0.0 or ::, which leads nobody there; the address that its link comes from does, with the port that it announced.
 */
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "[::]"]);

/** @param peerHost the other end of the link; empty where that is not known. */
export function replicaAddress(announced: string, peerHost: string): string {
  if (peerHost === "" || !URL.canParse(announced)) return announced;
  const { protocol, hostname, port } = new URL(announced);
  if (!WILDCARDS.has(hostname)) return announced;
  const host = peerHost.includes(":") ? `[${peerHost}]` : peerHost;
  return `${protocol}//${host}${port === "" ? "" : `:${port}`}`;
}

/** Names for replicas by their addresses; two that announce the same one are told apart by their nodes. */
export function replicaNames(replicas: readonly { readonly address: string; readonly nodeId: string }[]): string[] {
  const counts = new Map<string, number>();
  for (const { address } of replicas) counts.set(address, (counts.get(address) ?? 0) + 1);
  return replicas.map(({ address, nodeId }) => ((counts.get(address) ?? 0) > 1 ? `${address} ${nodeId}` : address));
}
