import { describe, expect, it } from "vitest";
import { seededRandom } from "../../test/engine.ts";
import { ReplyModel } from "../../test/reply-model.ts";
import { rangeOf } from "../structures/byte-range.ts";
import { OperationWriter } from "./operation.ts";
import { RememberedReply, ReplyCursor } from "./remembered-reply.ts";
import {
  REPLY_JSON,
  REPLY_MSGPACK,
  replyOperationBytes,
  writeForgetReplies,
  writeRemember,
} from "./reply-operation.ts";
import { ReplyStore } from "./reply-store.ts";

const STEPS = 3000;
const BYTES_MAX = 60_000;

/** Does the same to the store, as plan would, and to the model, and compares them. */
class Comparison {
  readonly store = new ReplyStore({ hashSeed: 3, pageBytes: 4096 });
  readonly replica = new ReplyStore({ hashSeed: 99 });
  readonly model = new ReplyModel();
  readonly #random: () => number;
  readonly #entry = new RememberedReply();
  readonly #cursor = new ReplyCursor();
  /** Positions that the walk has shown. */
  readonly #walked: number[] = [];
  #nowMs = 1_700_000_000_000;
  #offset = 2 ** 40;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  step(): void {
    const choice = this.#below(100);
    if (choice < 60) this.#remember();
    else if (choice < 75) this.#find();
    else if (choice < 85) this.#forgetDue();
    else if (choice < 92) this.#walk();
    else if (choice < 95) this.store.evacuate();
    else this.#nowMs += this.#below(400);
  }

  #id(): string {
    return `client ${this.#below(4)} request ${this.#below(300)}`;
  }

  #remember(): void {
    const sizes = [0, 10, 100, 1000, 5000, 20_000];
    const reply = "r".repeat(this.#below(sizes[this.#below(sizes.length)] + 1));
    const format = this.#below(2) === 0 ? REPLY_JSON : REPLY_MSGPACK;
    const remembered = { id: this.#id(), hash: `hash ${this.#below(1e6)}`.padEnd(16), format, reply } as const;
    // The window is not the same for all: it was configured anew.
    const expiresAtMs = this.#nowMs + 100 + this.#below(1000);
    const neededBytes = this.store.bytesNeeded(remembered.id.length, reply.length);
    const { count } = this.store.dropsFor(neededBytes, BYTES_MAX, STEPS);
    const usedBytes = this.store.usedBytes;
    const position = this.#apply((writer) => {
      const { id, hash } = remembered;
      writeRemember(
        writer,
        { id: rangeOf(id), hash: rangeOf(hash), reply: rangeOf(reply), format, expiresAtMs },
        count,
      );
    });
    this.model.remember({ ...remembered, position, expiresAtMs }, count);
    expect(this.store.usedBytes).toBeLessThanOrEqual(BYTES_MAX);
    if (count === 0) expect(this.store.usedBytes).toBe(usedBytes + neededBytes);
  }

  #forgetDue(): void {
    const count = this.store.countDue(this.#nowMs, BYTES_MAX, 20);
    const due = this.model.replies.findIndex(({ expiresAtMs }) => expiresAtMs > this.#nowMs);
    expect(count).toBe(Math.min(20, due < 0 ? this.model.replies.length : due));
    if (count === 0) return;
    this.#apply((writer) => writeForgetReplies(writer, count));
    this.model.forget(count);
  }

  #apply(write: (writer: OperationWriter) => void): number {
    const writer = new OperationWriter();
    write(writer);
    expect(replyOperationBytes(writer.bytes, 0)).toBe(writer.length);
    this.#offset += 1 + this.#below(3);
    for (const store of [this.store, this.replica]) store.apply(writer.bytes, 0, writer.length, this.#offset);
    return this.#offset;
  }

  #find(): void {
    const id = this.#id();
    const expected = this.model.find(id, this.#nowMs);
    const found = this.store.find(rangeOf(id), this.#nowMs, this.#entry);
    expect(found ? this.#entry.position : undefined).toBe(expected?.position);
    if (found) expect(this.#entry.reply.toString()).toBe(expected?.reply);
  }

  #walk(): void {
    for (let i = this.#below(30); i > 0 && this.store.advance(this.#cursor); i--) {
      const { position } = this.#cursor;
      const last = this.#walked.at(-1) ?? 0;
      // Nothing that is there lies between one and the next.
      const next = this.model.replies.find((reply) => reply.position > last);
      expect(position).toBe(next?.position);
      this.#walked.push(position);
    }
  }

  check(): void {
    this.store.checkInvariants();
    expect(this.store.dump()).toEqual(this.model.dump());
    expect(this.replica.dump()).toEqual(this.model.dump());
  }
}

describe("the store of replies", () => {
  it.each([1, 2, 3, 4, 5, 6])("does what its model does, seed %i", (seed) => {
    const comparison = new Comparison(seed);
    for (let step = 0; step < STEPS; step++) {
      comparison.step();
      if (step % 50 === 0) comparison.check();
    }
    comparison.check();
    expect(comparison.model.replies.length).toBeGreaterThan(10);
  });
});
