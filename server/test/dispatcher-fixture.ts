/** A dispatcher and everything below it, on a fake clock: messages go in and out as they are on the wire. */
import { unrestrictedGrant } from "../src/access/grant.ts";
import { JsonCodec } from "../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../src/codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../src/commands/all.ts";
import { Registry } from "../src/commands/registry.ts";
import type { Caller, Outbox, PushFormat, Session } from "../src/dispatch/caller.ts";
import { Dispatcher } from "../src/dispatch/dispatcher.ts";
import type { Format, Reply } from "../src/dispatch/reply.ts";
import { ManualClock } from "../src/runtime/clock.ts";
import { Engine, type EngineOptions, caller as someCaller } from "./engine.ts";

export interface Observed {
  readonly command: string;
  readonly succeeded: boolean;
}

const registry = new Registry(allCommands);

/** A dispatcher over an engine, and what it told of. */
export class Fixture {
  readonly engine: Engine;
  readonly clock = new ManualClock();
  readonly observed: Observed[] = [];
  readonly bugs: { readonly id: string; readonly where: string; readonly error: unknown }[] = [];
  readonly dispatcher: Dispatcher;

  constructor(options: EngineOptions = {}, replyBytesMax = 1024 * 1024) {
    this.engine = new Engine(options);
    const codecOptions = { batchCommandsMax: 1_000, valueBytesMax: 64 * 1024 };
    this.dispatcher = new Dispatcher({
      registry,
      executor: this.engine.executor,
      store: this.engine.store,
      consumers: this.engine.fanout.consumers,
      codecs: { json: new JsonCodec(codecOptions), msgpack: new MessagePackCodec(codecOptions) },
      clock: this.clock,
      observer: {
        observe: (index, _, count, failures) => {
          const { name } = allCommands[index];
          // One that has failed ends its row.
          for (let i = 0; i < count; i++) this.observed.push({ command: name, succeeded: i < count - failures });
        },
      },
      slowLog: this.engine.node.slowLog,
      replyBytesMax,
      reportBug: (where, error) => {
        const id = `bug-${this.bugs.length}`;
        this.bugs.push({ id, where, error });
        return id;
      },
    });
  }

  /** @param buffer holds the message, padded with spaces, as a transport's buffer that is used again and again. */
  send(message: unknown, buffer?: Buffer): { readonly status: number; readonly body: Record<string, unknown> } {
    const text = Buffer.from(JSON.stringify(message));
    if (buffer !== undefined) text.copy(buffer.fill(" "));
    const reply = answered(this.dispatcher.handle(buffer ?? text, "json", "json", someCaller));
    return { status: reply.status, body: bodyOf(reply) };
  }

  /** Sends for a connection; undefined where the command waits. */
  sendAs(caller: Caller, message: unknown): Record<string, unknown> | undefined {
    // Gone when `handle` returns, as the socket's memory is.
    const text = Buffer.from(JSON.stringify(message));
    const reply = this.dispatcher.handle(text, "json", "json", caller);
    const body = reply && bodyOf(reply);
    text.fill(0);
    return body;
  }

  /** Time passes for the server, and its ticker ends what waits. */
  pass(ms: number): void {
    this.clock.advance(ms);
    this.engine.nowMs = this.clock.nowMs();
    this.dispatcher.waits.runDue(this.clock.nowMs(), 1000);
  }

  run(command: string, payload: Record<string, unknown> = {}) {
    return this.send({ command, payload });
  }
}

/** The reply of what does not wait. */
export function answered(reply: Reply | undefined): Reply {
  if (reply === undefined) throw new Error("the command waits");
  return reply;
}

/** Replies here are JSON objects. */
export function bodyOf(reply: Reply): Record<string, unknown> {
  return JSON.parse(Buffer.from(reply.bytes.subarray(0, reply.length)).toString()) as Record<string, unknown>;
}

/** A connection as the dispatcher sees it: what it gets late or pushed is kept as text. */
export class Connection implements Caller {
  readonly id: number = 2;
  readonly address = "127.0.0.1";
  readonly connectedAtMs = 0;
  readonly protocol: Caller["protocol"];
  readonly outbox: Outbox | undefined;
  readonly lateReplies: Record<string, unknown>[] = [];
  readonly pushed: string[] = [];
  /** What it was told when its grant had ended. */
  readonly expelled: string[] = [];
  grant = unrestrictedGrant();
  session: Session | undefined;
  pushFormat: PushFormat;
  commandCount = 0;

  constructor(protocol: Caller["protocol"]) {
    this.protocol = protocol;
    this.pushFormat = protocol === "sse" ? "sse" : "json";
    const push = (frame: Uint8Array) => this.pushed.push(Buffer.from(frame).toString()) > 0;
    this.outbox = protocol === "http" ? undefined : { push };
  }

  unreadBytes(): number {
    return 0;
  }

  expel(message: string): void {
    this.expelled.push(message);
  }

  answerLate(reply: Reply, format: Format): void {
    if (format === "json") this.lateReplies.push(bodyOf(reply));
  }
}
