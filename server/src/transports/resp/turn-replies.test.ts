import { beforeEach, expect, it } from "vitest";
import { TurnEnd } from "../../runtime/turn-end.ts";
import { type ReplyOwner, TurnReplies } from "./turn-replies.ts";

let endTurn: () => void;
let replies: TurnReplies;
/** What was written, by whom, in order. */
let written: string[];

class Owner implements ReplyOwner {
  repliesAt = 0;
  repliesLength = 0;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  writeReplies(replies: Uint8Array): void {
    const text = Buffer.from(replies).toString();
    written.push(`${this.#name}:${text.length > 100 ? text.length : text}`);
  }

  add(text: string): boolean {
    const bytes = Buffer.from(`${text}, and what is left of others`);
    return replies.add(this, bytes, text.length);
  }
}

beforeEach(() => {
  written = [];
  endTurn = () => {};
  replies = new TurnReplies(
    new TurnEnd((run) => {
      endTurn = run;
    }),
  );
});

it("leave at the end of the turn, in one write for each connection", () => {
  const [a, b] = [new Owner("a"), new Owner("b")];
  a.add("1");
  a.add("2");
  b.add("3");
  expect(written).toEqual([]);
  endTurn();
  expect(written).toEqual(["a:12", "b:3"]);
  endTurn();
  a.add("4");
  endTurn();
  expect(written).toEqual(["a:12", "b:3", "a:4"]);
});

it("of a connection that others came between keep their order", () => {
  const [a, b] = [new Owner("a"), new Owner("b")];
  a.add("1");
  b.add("2");
  a.add("3");
  endTurn();
  expect(written).toEqual(["a:1", "a:3", "b:2"]);
});

it("leave before something that follows them on another way", () => {
  const [a, b] = [new Owner("a"), new Owner("b")];
  a.add("1");
  b.add("2");
  replies.write(b);
  expect(written).toEqual(["b:2"]);
  b.add("3");
  endTurn();
  expect(written).toEqual(["b:2", "a:1", "b:3"]);
});

it("that do not fit beside the others leave behind them", () => {
  const [a, b] = [new Owner("a"), new Owner("b")];
  a.add("1");
  expect(b.add("x".repeat(256 * 1024))).toBe(true);
  expect(written).toEqual(["a:1"]);
  expect(b.add("x".repeat(256 * 1024 + 1))).toBe(false);
  expect(written).toEqual(["a:1", `b:${256 * 1024}`]);
});

it("are not overwritten in a buffer that a socket has kept", () => {
  const a = new Owner("a");
  let kept: Uint8Array | undefined;
  a.writeReplies = (own) => {
    kept = own;
    replies.surrender();
  };
  a.add("old");
  endTurn();
  a.add("new");
  expect(Buffer.from(kept ?? []).toString()).toBe("old");
});
