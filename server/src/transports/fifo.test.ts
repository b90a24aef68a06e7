import { describe, expect, it } from "vitest";
import { Fifo } from "./fifo.ts";

describe("Fifo", () => {
  it("gives what it got, in order", () => {
    const fifo = new Fifo<number>();
    expect(fifo.shift()).toBeUndefined();
    fifo.push(1);
    fifo.push(2);
    expect(fifo.peek()).toBe(1);
    expect(fifo.size).toBe(2);
    expect([fifo.shift(), fifo.shift(), fifo.shift()]).toEqual([1, 2, undefined]);
    expect(fifo.peek()).toBeUndefined();
  });

  it("agrees with an array, over bursts and while it is never empty", () => {
    const fifo = new Fifo<number>();
    const model: number[] = [];
    let next = 0;
    for (let step = 0; step < 100; step++) {
      const pushes = [1, 700, 40, 2500, 0][step % 5];
      for (let i = 0; i < pushes; i++) {
        fifo.push(next);
        model.push(next);
        next += 1;
      }
      const shifts = step % 20 === 19 ? model.length : Math.min(model.length - 1, [600, 1, 900, 50, 2000][step % 5]);
      const taken = Array.from({ length: shifts }, () => fifo.shift());
      expect(taken).toEqual(model.splice(0, shifts));
      expect(fifo.size).toBe(model.length);
      expect(fifo.peek()).toBe(model[0]);
    }
  });

  it("forgets what it is told to", () => {
    const fifo = new Fifo<string>();
    fifo.push("a");
    fifo.push("b");
    fifo.shift();
    fifo.clear();
    expect(fifo.size).toBe(0);
    expect(fifo.shift()).toBeUndefined();
    fifo.push("c");
    expect(fifo.shift()).toBe("c");
  });
});
