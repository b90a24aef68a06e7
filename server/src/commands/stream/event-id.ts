/** What clients name an event by: unlike its offset alone it tells the events of a room from those of one before it. */
import { type CommandError, fail } from "../errors.ts";

/** The refusal of a `generation` that says nothing: it tells which room a `from_offset` is one of. */
export function generationAlone(): CommandError {
  const message = "a generation goes with the from_offset that was learned from it";
  return fail("INVALID_PAYLOAD", message, { path: "generation" });
}

/** Such as `81-7`: also the id by which an event stream is resumed (`Last-Event-ID`). */
export function eventId(generation: number, offset: number): string {
  return `${generation}-${offset}`;
}
