/** What a conformance case is made of. A case is data: it says what is sent and what must come back, never how. */
import { expect } from "vitest";
import type { ErrorCode } from "../../src/commands/errors.ts";
import type { Combination } from "./clients.ts";
import type { WireFormat } from "./format.ts";

export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Why a combination cannot run the case. */
  readonly skip?: Partial<Record<Combination, string>>;
}

/** Fields of the envelope besides command and payload. */
type EnvelopeFields = Readonly<Record<string, unknown>>;
/** In a payload or an expectation a `Uint8Array` stands for raw bytes, in whichever way the format says that. */
type Payload = Readonly<Record<string, unknown>>;

export type Step = CommandStep | BatchStep | RawStep | PushStep;

export interface CommandStep {
  readonly command: string;
  readonly payload: Payload | ((earlier: readonly Reply[]) => Payload);
  readonly envelope?: EnvelopeFields;
  readonly expected: Expected;
  /** The step is repeated until it gives what is expected: for what takes time to come. */
  readonly eventually?: boolean;
}

export interface BatchStep {
  readonly batch: readonly (readonly [command: string, payload?: Payload, fields?: EnvelopeFields])[];
  readonly envelope?: EnvelopeFields;
  readonly expected: Expected;
}

/** A message as bytes, for what no well-behaved client can send. The absent format skips the step. */
export interface RawStep {
  readonly json?: string | Buffer;
  readonly msgpack?: Buffer;
  readonly expected: Expected;
}

/**
 * What the server has pushed since the last such step, whole and in order. It is waited for, so a list of none says something
 * only after another exchange: pushes leave at the end of the turn of what made them.
 */
export interface PushStep {
  readonly pushes: readonly Reply[] | ((format: WireFormat, earlier: readonly Reply[]) => readonly Reply[]);
  /** Where their order means nothing. */
  readonly inAnyOrder?: boolean;
}

export type Reply = Readonly<Record<string, unknown>>;

/** A reply to compare with, where it depends on the format or on earlier replies a function of them. */
export type Expected = Reply | ((format: WireFormat, earlier: readonly Reply[]) => Reply);

/** One command. `expected` is the payload of a successful reply, or what `failure` makes. */
export function run(command: string, payload: CommandStep["payload"], expected: unknown): CommandStep {
  return { command, payload, expected: whole(expected) };
}

/** A batch whose results are, each in its place, a payload or what `failure` makes. */
export function batch(
  commands: BatchStep["batch"],
  results: readonly unknown[],
  envelope: EnvelopeFields = {},
): BatchStep {
  return {
    batch: commands,
    envelope,
    expected: { type: "batch_response", success: true, results: results.map(whole) },
  };
}

/** A batch that is refused whole. */
export function refusedBatch(commands: BatchStep["batch"], expected: Reply, envelope: EnvelopeFields = {}): BatchStep {
  return { batch: commands, envelope, expected };
}

export function atomic(commands: BatchStep["batch"], results: readonly unknown[]): BatchStep {
  return batch(commands, results, { atomic: true });
}

export function raw(messages: Pick<RawStep, "json" | "msgpack">, expected: Reply): RawStep {
  return { ...messages, expected };
}

/** The pushes that come; see `PushStep`. Such a case is for WebSockets alone, and ends without a subscription. */
export function pushed(pushes: PushStep["pushes"]): PushStep {
  return { pushes };
}

export function pushedInAnyOrder(pushes: PushStep["pushes"]): PushStep {
  return { pushes, inAnyOrder: true };
}

/** The `skip` of a case that subscribes. */
export const overWebSocketOnly = {
  "http-json": "pushes need a connection",
  "http-msgpack": "pushes need a connection",
} as const satisfies Case["skip"];

/** The `skip` of a case that shows the refusal of those that have no connection. */
export const overHttpOnly = {
  "websocket-text": "there is a connection to push to",
  "websocket-binary": "there is a connection to push to",
} as const satisfies Case["skip"];

/** A field of the payload of an earlier reply, counted from 0 over all steps: `earlierField(earlier, 0, "subscription_id")`. */
export function earlierField(earlier: readonly Reply[], step: number, field: string): unknown {
  const { payload } = earlier[step];
  if (typeof payload !== "object" || payload === null) throw new Error(`step ${step} has no payload`);
  return new Map(Object.entries(payload)).get(field);
}

/** A failure with this code, whatever its sentence; `details` names those that must be there. */
export function failure(code: ErrorCode, details?: Readonly<Record<string, unknown>>): Reply {
  const fields = {
    success: false,
    code,
    ...(details === undefined ? {} : { details: expect.objectContaining(details) }),
  };
  // A matcher stands for what it matches.
  return expect.objectContaining(fields) as unknown as Reply;
}

function whole(expected: unknown): Reply {
  if (isFailure(expected)) return expected;
  return { success: true, payload: expected };
}

function isFailure(expected: unknown): expected is Reply {
  if (typeof expected !== "object" || expected === null || !("sample" in expected)) return false;
  const { sample } = expected;
  return typeof sample === "object" && sample !== null && "success" in sample && "code" in sample;
}

/** A `client_id` that is another one each time a case is run: what the server remembers of a client outlives the case. */
export const OWN_CLIENT = "a client of this run";

/** Any whole number. */
export const someInteger = expect.any(Number) as number;
