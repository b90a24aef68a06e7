import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BodyBudget, RequestBody } from "./request-body.ts";

describe("RequestBody", () => {
  it("is its chunks in order, and gives back every byte it took", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), fc.nat(100_000), (chunks, announcedBytes) => {
        const budget = new BodyBudget(1_000_000);
        const body = new RequestBody(budget, 1_000_000, announcedBytes);
        for (const chunk of chunks) expect(body.append(chunk)).toBe("ok");
        expect(Buffer.from(body.view())).toEqual(Buffer.concat(chunks));
        body.release();
        body.release();
        expect(budget.bytesUsed).toBe(0);
      }),
    );
  });

  it("takes the limit and not one byte more", () => {
    const body = new RequestBody(new BodyBudget(1_000_000), 1000, 0);
    expect(body.append(new Uint8Array(999))).toBe("ok");
    expect(body.append(new Uint8Array(2))).toBe("too-large");
    expect(body.append(new Uint8Array(1))).toBe("ok");
    expect(body.append(new Uint8Array(1))).toBe("too-large");
    expect(body.length).toBe(1000);
  });

  it("does not allocate what is only announced", () => {
    const budget = new BodyBudget(1_000_000_000);
    new RequestBody(budget, 1_000_000_000, 900_000_000).append(new Uint8Array(1));
    expect(budget.bytesUsed).toBe(64 * 1024);
  });

  it("finds no room where others have used up the budget, and leaves their bytes alone", () => {
    const budget = new BodyBudget(1000);
    const first = new RequestBody(budget, 1000, 0);
    const second = new RequestBody(budget, 1000, 0);
    expect(first.append(new Uint8Array(600))).toBe("ok");
    expect(second.append(new Uint8Array(401))).toBe("no-room");
    second.release();
    expect(budget.bytesUsed).toBe(600);
    expect(second.append(new Uint8Array(400))).toBe("ok");
  });
});
