/** A dispatcher and everything below it, on a fake clock: messages go in and out as they are on the wire. */
import { JsonCodec } from "../src/codecs/json/json-codec.ts";
import { MessagePackCodec } from "../src/codecs/msgpack/message-pack-codec.ts";
import { allCommands } from "../src/commands/all.ts";
import { Registry } from "../src/commands/registry.ts";
import { Dispatcher, type Reply } from "../src/dispatch/dispatcher.ts";
import { ManualClock } from "../src/runtime/clock.ts";
import { caller, Engine, type EngineOptions } from "./engine.ts";

export interface Observed {
  readonly command: string;
  readonly succeeded: boolean;
}

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
      registry: new Registry(allCommands),
      executor: this.engine.executor,
      store: this.engine.store,
      codecs: { json: new JsonCodec(codecOptions), msgpack: new MessagePackCodec(codecOptions) },
      clock: this.clock,
      observer: {
        observe: (index, _, succeeded) => this.observed.push({ command: allCommands[index].name, succeeded }),
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
    const reply = this.dispatcher.handle(buffer ?? text, "json", "json", caller);
    return { status: reply.status, body: bodyOf(reply) };
  }

  run(command: string, payload: Record<string, unknown> = {}) {
    return this.send({ command, payload });
  }
}

/** Replies here are JSON objects. */
export function bodyOf(reply: Reply): Record<string, unknown> {
  return JSON.parse(Buffer.from(reply.bytes.subarray(0, reply.length)).toString()) as Record<string, unknown>;
}
