/** What goes back to a client, as a transport sends it. */
export type Format = "json" | "msgpack";

/** An encoded reply. Its bytes are shared: they live until the next call of the dispatcher. */
export interface Reply {
  /** The HTTP status; other protocols do not look. */
  status: number;
  bytes: Uint8Array;
  length: number;
  contentType: string;
  /** The offset that must be released before it may leave, since it shows the state there; 0 for none. */
  releaseOffset: number;
  /** When a refused request is worth trying again; 0 or absent for what is no such refusal. */
  retryAfterSecs?: number;
}
