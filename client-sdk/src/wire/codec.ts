/**
 * The two forms of the wire. A codec turns a request into bytes or text once, puts requests together into frames without
 * encoding them again, and reads what comes.
 */
import type { Frame } from "../transport/socket.ts";
import type { Request } from "./request.ts";

/** A message of the server, still to be looked at: a reply, the reply of a batch, or a push. */
export interface Message {
  readonly type?: unknown;
  readonly success?: unknown;
  readonly request_id?: unknown;
  readonly payload?: unknown;
  readonly error?: unknown;
  readonly code?: unknown;
  readonly details?: unknown;
  readonly results?: unknown;
}

export interface Codec {
  /** Fills in the request's bytes. @throws CannotEncodeError */
  encode(request: Request): void;
  /**
   * A frame with one command.
   * @param id of the frame: that of the request where it is numbered.
   * @param isNumbered whether a numbered write says so.
   */
  single(request: Request, id: number, isNumbered: boolean): Frame;
  /** A frame with several commands, in their order. */
  batch(requests: readonly Request[], id: number, isNumbered: boolean, isAtomic: boolean): Frame;
  /** @throws ProtocolError */
  decode(frame: Frame): Message;
}

/** Deeper than the server reads; a cycle is found by it. */
export const DEPTH_MAX = 128;
