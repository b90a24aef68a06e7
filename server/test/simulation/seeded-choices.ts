/** What a seed decides: every choice of a simulation is drawn from here, so that the seed alone tells what happens. */
import { seededRandom } from "../engine.ts";

export class SeededChoices {
  /** Draws from [0, 1). */
  readonly draw: () => number;

  constructor(seed: number) {
    this.draw = seededRandom(seed);
    // Neighbouring seeds begin with neighbouring draws.
    for (let i = 0; i < 4; i++) this.draw();
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.draw() * count);
  }

  /** A whole number, both ends included. */
  whole(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** Any number from `from` up to `to`. */
  between(from: number, to: number): number {
    return from + this.draw() * (to - from);
  }

  chance(probability: number): boolean {
    return this.draw() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** One of the names, as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let left = this.draw() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    return entries[0][0];
  }

  /** Choices of its own for one part, so that what another part draws does not change them. */
  fork(): SeededChoices {
    return new SeededChoices(this.below(2 ** 31));
  }
}
