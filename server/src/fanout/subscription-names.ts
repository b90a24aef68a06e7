/**
 * What the names cost that connections are subscribed to: channels, topics, patterns and watches. A name is kept once however
 * many are subscribed to it, and the number of names and of subscriptions has limits of its own; this is for their length,
 * which those limits do not see. One connection may have a tenth of it, counted as if it were alone with its names.
 *
 *     channels --.
 *     topics -----> SubscriptionNames --> refusal      the bytes of all are asked from those who keep them, so that
 *     watches ---'                                     nothing can be left counted here
 */
import { type CommandError, fail } from "../commands/errors.ts";
import { shareOf } from "./subscribers.ts";

/** A name is a string, by which it is found, and a buffer, from which it is pushed. */
export const NAME_COPIES = 2;

export class SubscriptionNames {
  readonly #bytesMax: number;
  readonly #sources: (() => number)[] = [];

  /** @param bytesMax infinite for no limit. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @param bytesOf what the names of one kind take now. */
  add(bytesOf: () => number): void {
    this.#sources.push(bytesOf);
  }

  get bytes(): number {
    let bytes = 0;
    for (const bytesOf of this.#sources) bytes += bytesOf();
    return bytes;
  }

  /** Why there may be no names of `bytes` more. */
  refusal(bytes: number): CommandError | undefined {
    if (this.bytes + bytes <= this.#bytesMax) return undefined;
    return fail(
      "SERVICE_UNAVAILABLE",
      "the names that are subscribed to take as many bytes as they may: end subscriptions, use shorter names, or raise pubsub.max_name_bytes",
      { name_bytes_max: this.#bytesMax },
    );
  }

  /** Why one connection may not be subscribed to names of so many bytes. */
  refusalOfConnection(bytes: number): CommandError | undefined {
    const share = shareOf(this.#bytesMax);
    if (bytes <= share) return undefined;
    return fail(
      "INVALID_REQUEST",
      "the names that the connection is subscribed to take as many bytes as those of one may: end some of its subscriptions first, or raise pubsub.max_name_bytes",
      { name_bytes_max: share },
    );
  }
}
