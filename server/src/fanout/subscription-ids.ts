/** Numbers for subscriptions: unique in the life of the process, over all kinds of subscriptions. */
export class SubscriptionIds {
  #last = 0;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}
