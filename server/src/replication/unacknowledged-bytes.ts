/** How many bytes of records are on their way to a replica: sent in order, acknowledged by offset. */
export class UnacknowledgedBytes {
  /** What was sent, oldest first, from `#head` on. */
  readonly #offsets: number[] = [];
  readonly #bytes: number[] = [];
  #head = 0;
  bytes = 0;

  /** @param lastOffset of the records. */
  sent(lastOffset: number, bytes: number): void {
    this.#offsets.push(lastOffset);
    this.#bytes.push(bytes);
    this.bytes += bytes;
  }

  acknowledge(offset: number): void {
    while (this.#head < this.#offsets.length && this.#offsets[this.#head] <= offset) {
      this.bytes -= this.#bytes[this.#head];
      this.#head++;
    }
    if (this.#head < 1024 && this.#head < this.#offsets.length) return;
    this.#offsets.splice(0, this.#head);
    this.#bytes.splice(0, this.#head);
    this.#head = 0;
  }
}
