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

/**
 * Which writes of a frame run once however often they are sent.
 *
 * - `whole`: the frame says so for all of them. Their number is its id, and their place in it where they are no unit. Those that were
 *   sent before say the number that they have, and what is to run each time that it has none.
 * - `own`: those that were sent before, and say so each.
 * - `none`: it says nothing of numbers.
 */
export type Numbering = "whole" | "own" | "none";

export interface Codec {
  /** Fills in the request's bytes. @throws CannotEncodeError */
  encode(request: Request): void;
  /**
   * A frame with one command. It may be where the command was encoded, and is to be sent before that goes into another frame.
   * @param id of the frame: that of the request where it is numbered.
   * @param isNumbered whether it says that it is to run once.
   */
  single(request: Request, id: number, isNumbered: boolean): Frame;
  /** A frame with several commands, in their order. */
  batch(requests: readonly Request[], id: number, numbering: Numbering, isAtomic: boolean): Frame;
  /** @throws ProtocolError */
  decode(frame: Frame): Message;
}

/** What a command of a frame says beside its name and payload: its own number, or that it has none. */
export function addendumOf(
  request: Request,
  frameId: number,
  numbering: Numbering,
): "number" | "exemption" | undefined {
  if (numbering === "none") return undefined;
  if (request.hasNumber && request.id !== frameId) return "number";
  return request.isExempt && numbering === "whole" ? "exemption" : undefined;
}

/** Deeper than the server reads; a cycle is found by it. */
export const DEPTH_MAX = 128;
