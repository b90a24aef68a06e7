/**
 * One end of a link between master and replica, without saying what carries it: a WebSocket in the server, a queue of bytes
 * in a test. Messages come whole, in order and once while it lives; when it breaks, nobody knows which of the last have come.
 */
export interface LinkSocket {
  /** @param message may be used again when this returns. */
  send(message: Uint8Array): void;
  /** Bytes that were sent and that the system has not taken yet. */
  bufferedBytes(): number;
  /** Ends the link when what was sent has left; `closed` is called on both ends. Nothing happens where it has ended. */
  close(): void;
  /** Ends it at once: the other end does not answer. */
  cut(): void;
}

/** Who is told what comes over a link. */
export interface LinkEnd {
  /** @param message gone when this returns. */
  received(message: Uint8Array): void;
  /** Some of what was buffered has left. */
  drained(): void;
  /** The link has ended: nothing is called any more, and what is sent goes nowhere. */
  closed(): void;
}

/** The master's side, as the transport knows it. */
export interface ReplicaLinks {
  /** A replica has opened a link; it speaks first. @param peerHost its IP address; empty where that is not known. */
  connected(socket: LinkSocket, peerHost?: string): LinkEnd;
  /** Takes no replica any more; resolves when those in sync have all of the log, and all links were told to end. */
  stop(): Promise<void>;
}

/** The replica's side: opens a link to the master. */
export interface LinkOpener {
  /** @param end is told `opened` or `closed`. */
  open(url: string, end: OpeningEnd): LinkSocket;
}

export interface OpeningEnd extends LinkEnd {
  /** Messages can be sent from now on. */
  opened(): void;
  /** @param reason why the link ended, or could not be opened, where that is known. */
  closed(reason?: string): void;
}
