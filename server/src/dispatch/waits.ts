/**
 * Commands whose reply comes late: a `queue.consume` that waits for a message, an `admin.wait` for replicas. The one stands in
 * the line of its queue (fanout/queue-consumers.ts), which has it try again when there is something; the other is told its
 * answer. Each has a place in the heap of deadlines here.
 *
 *     park --> line --attempt--> answered     a message came
 *          --> begin --answer--> answered     it is known now
 *          --> heap --runDue---> answered     nothing came: with what the command said for that case
 *                                forgotten    the connection closed
 */
import type { Grant } from "../access/grant.ts";
import type { Command } from "../commands/command.ts";
import { CommandError, fail } from "../commands/errors.ts";
import { AnswerWait, QueueWait, Wait } from "../commands/wait.ts";
import { ClientSession, type SessionPart } from "../fanout/client-session.ts";
import type { QueueConsumers, QueueWaiter } from "../fanout/queue-consumers.ts";
import { ByteRange, copyRange } from "../structures/byte-range.ts";
import { DeadlineHeap } from "../structures/deadline-heap.ts";
import type { Caller } from "./caller.ts";
import type { CommandRunner, ReplyEncoder } from "./command-runner.ts";
import type { IdempotentWrite } from "./idempotent-writes.ts";
import type { Format } from "./reply.ts";

/** A command as its message gave it: ranges into memory that is gone when the message is handled. */
interface Request {
  readonly index: number;
  readonly args: Record<string, unknown>;
  readonly requestId: ByteRange | undefined;
  readonly replyFormat: Format;
  readonly encoder: ReplyEncoder;
  readonly caller: Caller;
  /** By what it was permitted: the connection may have another by the time of the answer. */
  readonly grant: Grant;
  /** For one that is to run once. While it waits nothing is remembered: who is answered first is, and the others get the same. */
  readonly once?: IdempotentWrite | undefined;
}

/** One connection may not take the places of all the others. */
const WAITS_PER_SESSION_MAX = 1000;

export class Waits {
  /** `runDue` is to be called in so many milliseconds: earlier than anything has asked for that still waits. */
  onEarlier: ((delayMs: number) => void) | undefined;
  readonly #runner: CommandRunner;
  readonly #consumers: QueueConsumers;
  readonly #deadlines = new DeadlineHeap();
  /** By number; the heap knows them by it. */
  readonly #waiting = new Map<number, ParkedCommand>();
  /** How many of a session wait. */
  readonly #counts = new Map<ClientSession, number>();
  #lastNumber = 0;
  #isEnding = false;

  constructor(runner: CommandRunner, consumers: QueueConsumers) {
    this.#runner = runner;
    this.#consumers = consumers;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** When `runDue` has something to do; infinite for never. */
  get nextDeadlineMs(): number {
    return this.#deadlines.nextDeadlineMs;
  }

  /**
   * Keeps a command until it has an answer.
   * @returns `undefined`, or the answer there is at once where nothing more may wait.
   */
  park(wait: Wait, wanted: Omit<Request, "grant">): { readonly answer: unknown } | undefined {
    const request = { ...wanted, grant: wanted.caller.grant };
    const session = ClientSession.of(request.caller);
    const atOnce = this.#answerAtOnce(wait, session);
    if (atOnce !== undefined) {
      this.#tell(request, withoutOutcome(atOnce.answer));
      return atOnce;
    }
    this.#lastNumber = (this.#lastNumber + 1) & 0x3fffffff;
    const number = this.#lastNumber;
    const deadlineMs = this.#runner.executor.nowMs + wait.waitMs;
    const isEarlier = deadlineMs < this.nextDeadlineMs;
    const handle = this.#deadlines.add(deadlineMs, number);
    const parked = new ParkedCommand(this, number, handle, wait, retained(request), session);
    this.#waiting.set(number, parked);
    this.#counts.set(session, this.#countOf(session) + 1);
    session.add(parked);
    if (isEarlier) this.onEarlier?.(wait.waitMs);
    if (wait instanceof QueueWait) this.#consumers.wait(parked);
    else if (wait instanceof AnswerWait) parked.end = wait.begin((result) => this.#answer(parked, result));
    return undefined;
  }

  #answerAtOnce(wait: Wait, session: ClientSession): { readonly answer: unknown } | undefined {
    if (this.#isEnding || session.isClosed) return { answer: wait.otherwise };
    const refusal = wait instanceof QueueWait ? this.#consumers.refusal() : undefined;
    if (refusal !== undefined) return { answer: refusal };
    if (this.#countOf(session) < WAITS_PER_SESSION_MAX) return undefined;
    const message = "too many commands of this connection wait already";
    return { answer: fail("INVALID_REQUEST", message, { waiting_max: WAITS_PER_SESSION_MAX }) };
  }

  /** The audit log hears of it, though its token has ended since it ran, or its connection. */
  #tell({ index, caller: { address, protocol }, grant }: Request, ok: boolean | undefined): void {
    this.#runner.tell(this.#runner.registry.commands[index], { address, protocol, grant }, ok);
  }

  /** Ends up to `limit` waits whose time is over; returns how many. */
  runDue(nowMs: number, limit: number): number {
    let count = 0;
    for (; count < limit && this.nextDeadlineMs <= nowMs; count++) this.#expireNext();
    return count;
  }

  /** Refuses those that wait for what the state will hold, and whose caller has no valid token any more. */
  refuseEnded(nowMs: number): void {
    // A map may lose entries while it is walked: those that are gone are not met.
    for (const [number, { wait, request }] of this.#waiting) {
      if (wait instanceof QueueWait && request.caller.grant.endAt(nowMs) !== undefined) this.#expire(number);
    }
  }

  /** Ends all of them, and lets nothing wait any more. */
  endAll(): void {
    this.#isEnding = true;
    for (const number of [...this.#waiting.keys()]) this.#expire(number);
  }

  #expireNext(): void {
    this.#expire(this.#deadlines.ownerOf(this.#deadlines.nextHandle));
  }

  #expire(number: number): void {
    const parked = this.#waiting.get(number);
    if (parked === undefined) throw new Error(`wait ${number} has a deadline and no command`);
    this.#settle(parked, parked.wait.otherwise, withoutOutcome(parked.wait.otherwise));
  }

  /** What it waited for is known. It may have been over by then. */
  #answer(parked: ParkedCommand, result: unknown): void {
    if (this.#waiting.get(parked.number) === parked) this.#settle(parked, result, !(result instanceof CommandError));
  }

  /**
   * Answers it without planning it again.
   * @param ok what became of the command, as far as that is known.
   */
  #settle(parked: ParkedCommand, result: unknown, ok: boolean | undefined): void {
    this.#forget(parked);
    parked.session.remove(parked);
    const { runner, request, encoder } = this.#reply(parked);
    const command = runner.registry.commands[request.index];
    // What the command before has shown is nothing to this one.
    runner.executor.at(runner.clock.nowMs());
    // That there was nothing until now is the state of now.
    if (command.shows === "state") runner.executor.showsState();
    // Its token may have ended meanwhile. What is told of the state is not for it then; what it has had done is.
    const isOfState = parked.wait instanceof QueueWait;
    const refusal = isOfState ? runner.executor.refusal(command, request.args, request.caller) : undefined;
    const error =
      refusal !== undefined || request.once === undefined
        ? runner.encode(encoder, request.requestId, refusal ?? result)
        : request.once.settle(runner, command, result, request.requestId);
    this.#tell(request, ok);
    runner.observe(request.index, runner.clock.monotonicMs(), error === undefined, request.caller);
    request.caller.answerLate(
      runner.finish(encoder, error === undefined ? 200 : error.httpStatus),
      request.replyFormat,
    );
  }

  /** Tries again; true when it was answered. */
  attempt(parked: ParkedCommand): boolean {
    const { runner, request, encoder } = this.#reply(parked);
    const command: Command = runner.registry.commands[request.index];
    const startedMs = runner.clock.monotonicMs();
    const { args, caller, requestId, once } = request;
    const error =
      once === undefined
        ? runner.run(command, args, caller, encoder, requestId)
        : once.run(runner, command, args, caller, requestId);
    if (error instanceof Wait) return false;
    this.#leave(parked);
    parked.session.remove(parked);
    runner.observe(request.index, startedMs, error === undefined, caller);
    const status = error instanceof CommandError ? error.httpStatus : 200;
    caller.answerLate(runner.finish(encoder, status), request.replyFormat);
    return true;
  }

  /** The connection of a waiting command is gone. */
  abandon(parked: ParkedCommand): void {
    this.#forget(parked);
    this.#tell(parked.request, undefined);
  }

  #forget(parked: ParkedCommand): void {
    this.#consumers.forget(parked);
    parked.end?.();
    this.#leave(parked);
  }

  #reply({ request }: ParkedCommand) {
    const runner = this.#runner;
    runner.out.reset();
    return { runner, request, encoder: request.encoder };
  }

  #countOf(session: ClientSession): number {
    return this.#counts.get(session) ?? 0;
  }

  #leave(parked: ParkedCommand): void {
    const { session } = parked;
    const others = this.#countOf(session) - 1;
    if (others > 0) this.#counts.set(session, others);
    else this.#counts.delete(session);
    this.#waiting.delete(parked.number);
    this.#deadlines.remove(parked.handle);
  }
}

class ParkedCommand implements QueueWaiter, SessionPart {
  /** 0 where it waits for something else. */
  readonly queueId: number;
  /** Ends what its command has begun. */
  end: (() => void) | undefined;
  readonly number: number;
  readonly handle: number;
  readonly wait: Wait;
  readonly request: Request;
  readonly session: ClientSession;
  readonly #waits: Waits;

  constructor(waits: Waits, number: number, handle: number, wait: Wait, request: Request, session: ClientSession) {
    this.#waits = waits;
    this.number = number;
    this.handle = handle;
    this.wait = wait;
    this.queueId = wait instanceof QueueWait ? wait.queueId : 0;
    this.request = request;
    this.session = session;
  }

  attempt(): boolean {
    return this.#waits.attempt(this);
  }

  closed(): void {
    this.#waits.abandon(this);
  }

  drained(): void {}
}

/** What became of a command that nobody waits for any more: what it has begun may be done, though its caller is told of an error. */
function withoutOutcome(answer: unknown): true | undefined {
  return answer instanceof CommandError ? undefined : true;
}

/** The same request in memory of its own. */
function retained(request: Request): Request {
  const args: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(request.args)) {
    args[name] = value instanceof ByteRange ? copyRange(value) : value;
  }
  const { requestId, once } = request;
  return { ...request, args, requestId: requestId && copyRange(requestId), once: once?.retained() };
}
