/**
 * One RESP connection as the dispatcher knows it: what HELLO, CLIENT, MULTI and SUBSCRIBE leave behind between two
 * commands. The transport makes one for each socket and gives it back with every read.
 */
import type { Grant } from "../access/grant.ts";
import type { Buckets } from "../access/rate-limits.ts";
import { RespParser } from "../codecs/resp/resp-parser.ts";
import type { RespRequest } from "../codecs/resp/resp-request.ts";
import type { ReplySink } from "../commands/resp/reply-sink.ts";
import type { WatchedKeys } from "../commands/transaction/watched-keys.ts";
import type { Caller, Outbox, PushFormat, Session } from "./caller.ts";
import type { Reply } from "./reply.ts";
import type { RespSubscriptions } from "./resp-subscriptions.ts";
import type { RespEntry } from "./resp-table.ts";

/** The socket below a client. */
export interface RespSocket {
  readonly address: string;
  /** The peer's address with its port. */
  readonly peer: string;
  readonly connectedAtMs: number;
  unreadBytes(): number;
  /** Writes what comes outside of a burst: a late reply, once `releaseOffset` is released. Copies what it keeps. */
  write(bytes: Uint8Array, length: number, releaseOffset: number): void;
  /** What was pushed so far leaves before the replies of the burst under way. */
  putPushesFirst(): void;
  /** Runs what the client has sent meanwhile, where `isBlocked` had put it off. */
  resume(): void;
  /** Ends the connection with this text, about a second from now. */
  endLater(text: string): void;
  /** Ends the connection at once, for CLIENT KILL. */
  cut(): void;
  /** Pushes of this connection; they leave at the end of the turn, after its replies. */
  readonly outbox: Outbox;
}

/**
 * Stands between a connection and its commands while there is one: MULTI queues what comes, a subscriber of RESP2 may
 * say but a few things.
 */
export interface Gate {
  /**
   * Whether the request is to run now; if not, it has written the reply. The entry's words were counted, but not read.
   */
  admits(entry: RespEntry, request: RespRequest, sink: ReplySink): boolean;
  /** A request was refused before it came to `admits`: no such command, or not so many words. */
  refused(): void;
  /** RESET, or the connection is gone: what it has kept is dropped. */
  abandoned(): void;
}

/** Room for a token, and for what comes in the same line of it. */
const STRANGER_BYTES_MAX = 16 * 1024;

export class RespClient implements Caller {
  readonly id: number;
  readonly protocol = "resp";
  readonly address: string;
  readonly connectedAtMs: number;
  readonly parser: RespParser;
  readonly socket: RespSocket;
  /** By AUTH or HELLO. */
  grant: Grant;
  rate: Buckets | undefined;
  commandCount = 0;
  session: Session | undefined;
  /** By HELLO. */
  version: 2 | 3 = 2;
  /** By CLIENT SETNAME or HELLO; empty for none. */
  name = "";
  /** By CLIENT REPLY: `off` sends nothing, `skip` not the next reply. */
  replyMode: "on" | "off" | "skip" = "on";
  gate: Gate | undefined;
  /** By WATCH, until EXEC. Dropped by `unwatch`, since it counts what it holds. */
  watched: WatchedKeys | undefined;
  /** EXEC is running what MULTI has queued: nothing may wait. */
  isExecuting = false;
  /** By SUBSCRIBE and PSUBSCRIBE. */
  subscriptions: RespSubscriptions | undefined;
  /** A command waits: what follows it stays unread until it is answered. */
  isBlocked = false;
  /** Of the command that waits: CLIENT REPLY OFF or SKIP before it has its reply left out. */
  wantsLateReply = true;
  /** The connection ends once what is written so far has left. */
  isClosing = false;
  /** The last command and when it came, for CLIENT LIST. */
  lastEntry: RespEntry | undefined;
  lastCommandAtMs: number;

  readonly #requestBytesMax: number;
  readonly #onClosed: () => void;

  constructor(id: number, socket: RespSocket, requestBytesMax: number, grant: Grant, onClosed: () => void = () => {}) {
    this.#onClosed = onClosed;
    this.grant = grant;
    this.id = id;
    this.socket = socket;
    this.address = socket.address;
    this.connectedAtMs = socket.connectedAtMs;
    this.lastCommandAtMs = socket.connectedAtMs;
    this.#requestBytesMax = requestBytesMax;
    this.parser = new RespParser(0);
    this.granted(grant);
  }

  /** What it may do from now on. Who has not said who it is may not send much. */
  granted(grant: Grant): void {
    this.grant = grant;
    this.parser.requestBytesMax = this.isStranger
      ? Math.min(STRANGER_BYTES_MAX, this.#requestBytesMax)
      : this.#requestBytesMax;
  }

  /** It has not said who it is, where one has to. */
  get isStranger(): boolean {
    return this.grant.end === "anonymous";
  }

  get outbox(): Outbox {
    return this.socket.outbox;
  }

  get pushFormat(): PushFormat {
    return this.version === 3 ? "resp3" : "resp2";
  }

  unreadBytes(): number {
    return this.socket.unreadBytes();
  }

  /** Watches no key any more. */
  unwatch(): void {
    this.watched?.clear();
    this.watched = undefined;
  }

  /**
   * RESET: the connection as it was at first. It has no token any more, so nothing that one was needed for goes on: whoever logs in
   * next would be pushed what only the one before might see. The features that keep more of a client extend this.
   */
  reset(): void {
    // Behind the reply they would be taken for those to what comes next.
    this.socket.putPushesFirst();
    // As when it closes, and so a slice in each turn.
    this.session?.closed();
    this.session = undefined;
    this.subscriptions = undefined;
    this.unwatch();
    this.gate?.abandoned();
    this.gate = undefined;
    this.version = 2;
    this.name = "";
    this.replyMode = "on";
  }

  /** The connection is gone. Called once. */
  closed(): void {
    this.unwatch();
    this.gate?.abandoned();
    this.gate = undefined;
    this.session?.closed();
    this.#onClosed();
  }

  /** Without a word: it would be taken for the reply to what comes next. */
  expel(): void {
    this.socket.cut();
  }

  answerLate(reply: Reply): void {
    this.isBlocked = false;
    if (this.wantsLateReply) this.socket.write(reply.bytes, reply.length, reply.releaseOffset);
    this.socket.resume();
  }
}
