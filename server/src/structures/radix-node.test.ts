import fc from "fast-check";
import { expect, it } from "vitest";
import {
  addChild,
  checkNode,
  childWord,
  childWordFrom,
  copyInto,
  initialize,
  isFull,
  kindOf,
  nodeBytes,
  removeChild,
} from "./radix-node.ts";

/** A node at the end of its memory, which had something else in it. */
class Node {
  words: Int32Array;
  at = 1;

  constructor(kind: number) {
    this.words = Node.#memory(kind);
    initialize(this.words, this.at, kind, 0);
  }

  static #memory(kind: number): Int32Array {
    return new Int32Array(1 + nodeBytes(kind) / 4).fill(0x61_61_61_61);
  }

  add(byte: number, ref: number): void {
    if (isFull(this.words[this.at])) {
      const kind = kindOf(this.words[this.at]) + 1;
      const larger = Node.#memory(kind);
      copyInto(this.words, this.at, larger, this.at, kind);
      this.words = larger;
    }
    addChild(this.words, this.at, byte, ref);
  }

  remove(byte: number): void {
    removeChild(this.words, this.at, childWord(this.words, this.at, this.words[this.at], byte));
  }

  refOf(byte: number): number | undefined {
    const word = childWord(this.words, this.at, this.words[this.at], byte);
    return word < 0 ? undefined : this.words[word];
  }

  refFrom(byte: number): number | undefined {
    const word = childWordFrom(this.words, this.at, this.words[this.at], byte);
    return word < 0 ? undefined : this.words[word];
  }
}

/** Neighbours, what two's complement has at its ends, and what memory was filled with. */
const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x60, 0x61, 0x62, 0x7f, 0x80, 0x81, 0xfe, 0xff));

it("has what a map has, whatever came, went and was there before", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(byte, fc.boolean()), { minLength: 3, maxLength: 60 }), (changes) => {
      const node = new Node(0);
      const model = new Map<number, number>();
      for (const [index, [changed, goes]] of changes.entries()) {
        // References may look like key bytes.
        const ref = Math.imul(changed, 0x0101_0101) ^ (index << 1) ^ 2;
        if (!model.has(changed)) {
          node.add(changed, ref);
          model.set(changed, ref);
        } else if (goes && model.size > 2) {
          node.remove(changed);
          model.delete(changed);
        }
        if (model.size > 1) checkNode(node.words, node.at);
        const ascending = [...model.keys()].sort((a, b) => a - b);
        for (let asked = 0; asked < 256; asked++) {
          const isRight =
            node.refOf(asked) === model.get(asked) &&
            node.refFrom(asked) === model.get(ascending.find((each) => each >= asked) ?? -1);
          if (!isRight) expect.fail(`byte ${asked} of ${ascending}`);
        }
      }
    }),
    { numRuns: 100 },
  );
});
