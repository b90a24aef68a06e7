/** Something that must not be: what a check of the simulation has found. */
export type Check =
  | "acknowledged write lost"
  | "covered write lost by a promotion"
  | "shown and taken back"
  | "state differs from its log"
  | "replica differs from its master"
  | "message lost"
  | "message held twice"
  | "delivery id"
  | "ran more than once"
  | "offset reused"
  | "epoch"
  | "start refused"
  | "failure"
  | "no rest";

export class Finding extends Error {
  readonly check: Check;

  constructor(check: Check, message: string, cause?: unknown) {
    super(`${check}: ${message}`, { cause });
    this.check = check;
  }
}
