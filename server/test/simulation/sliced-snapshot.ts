/** A walk in small steps: the states of a simulation are small, and would be written in one step while nothing changes. */
import type { ImageSource } from "../../src/oplog/snapshots.ts";
import type { SeededChoices } from "./seeded-choices.ts";

const STEP_BYTES_MAX = 200;

export class SlicedSnapshot implements ImageSource {
  readonly #source: ImageSource;
  readonly #choices: SeededChoices;

  constructor(source: ImageSource, choices: SeededChoices) {
    this.#source = source;
    this.#choices = choices;
  }

  get offset(): number {
    return this.#source.offset;
  }

  get images() {
    return this.#source.images;
  }

  step(): boolean {
    return this.#source.step(this.#choices.whole(1, STEP_BYTES_MAX));
  }

  end(): void {
    this.#source.end();
  }
}
