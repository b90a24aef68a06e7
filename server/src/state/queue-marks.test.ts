import { expect, it } from "vitest";
import { seededRandom } from "../../test/engine.ts";
import { QueueMarks } from "./queue-marks.ts";

/** Messages that snapshots come to in order, and whose marks are numbers. */
class Messages {
  marks = new Array<number>(10).fill(0);
  clearedCount = 0;
  readonly numbers = new QueueMarks(() => {
    this.marks.fill(0);
    this.clearedCount++;
  });

  /** @param reach how many messages it comes to. */
  snapshot(reach: number): void {
    const number = this.numbers.next();
    if (number < 1 || number > 0xffff || this.marks.includes(number))
      throw new Error(`${number} is on a message that was not written, or no mark`);
    this.marks.fill(number, 0, reach);
    if (reach === this.marks.length) this.numbers.completed();
  }
}

it("gives no number twice while a message may have it, with snapshots that are complete or not", () => {
  for (let seed = 1; seed <= 3; seed++) {
    const random = seededRandom(seed);
    const messages = new Messages();
    for (let i = 0; i < 200_000; i++) {
      const isComplete = random() < 1 / 50_000;
      messages.snapshot(isComplete ? 10 : Math.floor(random() * 10));
      const replaced = Math.floor(random() * 1_000_000);
      if (replaced < 10) messages.marks[replaced] = 0;
    }
  }
});

it("clears marks only when all numbers may be on messages", () => {
  const messages = new Messages();
  for (let i = 0; i < 0xffff; i++) messages.snapshot(i % 3);
  expect(messages.clearedCount).toBe(0);
  messages.snapshot(1);
  expect(messages.clearedCount).toBe(1);
  for (let i = 0; i < 100_000; i++) messages.snapshot(10);
  expect(messages.clearedCount).toBe(1);
});
