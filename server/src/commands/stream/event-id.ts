/** What clients name an event by: unlike its offset alone it tells the events of a room from those of one before it. */

/** Such as `81-7`: also the id by which an event stream is resumed (`Last-Event-ID`). */
export function eventId(generation: number, offset: number): string {
  return `${generation}-${offset}`;
}
