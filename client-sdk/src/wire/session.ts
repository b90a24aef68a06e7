/**
 * Who this client is to the server, and its numbers. A write is sent under (client id, number); sent again under the same
 * two it runs once. Frames take their ids from the same counter, so that no id means two things.
 */
export class Session {
  readonly clientId: string = globalThis.crypto.randomUUID();
  #last = 0;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}
