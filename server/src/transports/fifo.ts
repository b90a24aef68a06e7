/**
 * First in, first out, in one array that is kept: what is filled and emptied every turn allocates nothing.
 *
 *     items:  [ undefined, undefined, c, d, e, (room) ]
 *                                     ^head    ^tail
 */

/** An empty queue keeps an array up to this long; a burst's is given back. */
const KEPT_LENGTH_MAX = 1024;

export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;
  #tail = 0;

  get size(): number {
    return this.#tail - this.#head;
  }

  push(item: T): void {
    this.#items[this.#tail] = item;
    this.#tail += 1;
  }

  /** The first item, which stays; undefined when there is none. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** Takes the first item; undefined when there is none. */
  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#tail) this.#rewind();
    else if (this.#head > KEPT_LENGTH_MAX && this.#head > this.#tail / 2) this.#moveUp();
    return item;
  }

  /** Takes the last item back; undefined when there is none. */
  pop(): T | undefined {
    if (this.#head === this.#tail) return undefined;
    this.#tail -= 1;
    const item = this.#items[this.#tail];
    this.#items[this.#tail] = undefined;
    if (this.#head === this.#tail) this.#rewind();
    return item;
  }

  clear(): void {
    if (this.#tail === 0) return;
    this.#items = [];
    this.#head = 0;
    this.#tail = 0;
  }

  #rewind(): void {
    if (this.#items.length > KEPT_LENGTH_MAX) this.#items = [];
    this.#head = 0;
    this.#tail = 0;
  }

  /** One that is never empty must not grow for ever. Costs less than the shifts that led here. */
  #moveUp(): void {
    this.#items = this.#items.slice(this.#head, this.#tail);
    this.#tail -= this.#head;
    this.#head = 0;
  }
}
