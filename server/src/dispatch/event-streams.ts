/**
 * `GET /api/v1/events?room=...&topic=...`: what the query asks for, as the subscribe commands it stands for. A stream has one
 * room at the most, so that the id of its last event says where it goes on; topics have no history.
 *
 *     id: 81-6                              where the room's subscription begins: a browser that loses the connection before
 *                                           the first event names it too, and misses nothing
 *     id: 81-7 / data: {"type":"event",...
 */
import type { Codec } from "../codecs/codec.ts";
import { CommandError, fail } from "../commands/errors.ts";
import { eventId } from "../commands/stream/event-id.ts";
import { rangeOf } from "../structures/byte-range.ts";
import type { Caller } from "./caller.ts";
import type { CommandRunner } from "./command-runner.ts";

export interface EventsQuery {
  /** The query string without the `?`. */
  readonly query: string;
  /** The `Last-Event-ID` header; empty if there was none. */
  readonly lastEventId: string;
}

const PARAMETERS: ReadonlySet<string> = new Set(["room", "topic", "from_offset", "generation", "api_key"]);
const INTEGER = /^-?\d{1,15}$/;
/** `generation-offset`, as the room's events carry it; -1 is before the first. */
const EVENT_ID = /^(\d{1,15})-(-1|\d{1,15})$/;

interface Position {
  from_offset?: number;
  generation?: number;
}

/** Subscribes the caller; a CommandError where that cannot be, and then nothing is subscribed that a closed stream leaves. */
export function openEvents(
  runner: CommandRunner,
  json: Codec,
  { query, lastEventId }: EventsQuery,
  caller: Caller,
): CommandError | undefined {
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name)) return invalid(`there is no parameter ${JSON.stringify(name.slice(0, 100))}`, name);
  }
  const rooms = parameters.getAll("room");
  const topics = parameters.getAll("topic");
  if (rooms.length === 0 && topics.length === 0) return invalid("name a room or a topic to follow", "room");
  if (rooms.length > 1) return invalid("a stream follows one room: open one for each", "room");
  const position = positionOf(parameters, lastEventId);
  if (position instanceof CommandError) return position;
  for (const name of ["from_offset", "generation"]) {
    if (rooms.length === 0 && parameters.has(name)) return invalid("only a room has a history", name);
  }
  let start: Required<Position> | undefined;
  if (rooms.length > 0) {
    const reply = subscribe(runner, json, "stream.subscribe", { room: rooms[0], ...position }, caller);
    if (reply instanceof CommandError) return undone(caller, reply);
    start = reply as Required<Position>; // As the command's schema says.
  }
  if (topics.length > 0) {
    const reply = subscribe(runner, json, "pubsub.subscribe", { topics }, caller);
    if (reply instanceof CommandError) return undone(caller, reply);
  }
  if (start !== undefined) pushStart(start, position, caller, runner.executor.releaseOffset);
  return undefined;
}

function undone(caller: Caller, error: CommandError): CommandError {
  caller.session?.closed();
  return error;
}

/** Gives a stream the id of what is before its first event; an id without data is kept by browsers, and not shown. */
function pushStart(
  { from_offset, generation }: Required<Position>,
  wanted: Position,
  caller: Caller,
  releaseOffset: number,
): void {
  // Where the room is not the one that was named, the stream begins with a gap, and that has an id. Whoever is cut off
  // before it has to come again with the position of now.
  const isForeign = (wanted.generation ?? generation) !== generation || (wanted.from_offset ?? 0) > from_offset;
  if (isForeign) return;
  caller.outbox?.push(Buffer.from(`id: ${eventId(generation, from_offset - 1)}\n\n`), false, releaseOffset);
}

/** The header wins over the query: a browser that reconnects sends both. */
function positionOf(parameters: URLSearchParams, lastEventId: string): Position | CommandError {
  if (lastEventId !== "") {
    const match = EVENT_ID.exec(lastEventId);
    if (match === null) return invalid("Last-Event-ID must be the id of an event, such as 17-4", "Last-Event-ID");
    return { from_offset: Number(match[2]) + 1, generation: Number(match[1]) };
  }
  const position: Position = {};
  for (const name of ["from_offset", "generation"] as const) {
    const text = parameters.get(name);
    if (text === null) continue;
    if (!INTEGER.test(text)) return invalid("must be an integer", name);
    position[name] = Number(text);
  }
  return position;
}

/** Runs a subscribe command; returns its reply. */
function subscribe(runner: CommandRunner, json: Codec, name: string, payload: object, caller: Caller): unknown {
  const index = runner.registry.indexOf(rangeOf(name));
  const command = runner.registry.commands[index];
  const startedMs = runner.clock.monotonicMs();
  caller.commandCount++;
  // Through the codec, so that a query is held to the very limits of a message.
  const message = rangeOf(JSON.stringify({ command: name, payload }));
  const envelope = json.decodeEnvelope(message.bytes);
  if (envelope instanceof CommandError) return envelope;
  const args = json.decodeArguments(envelope.payload, command.shape);
  const result = args instanceof CommandError ? args : runner.attempt(command, args, caller);
  runner.observe(index, startedMs, !(result instanceof CommandError), caller);
  return result;
}

function invalid(message: string, path: string): CommandError {
  return fail("INVALID_PAYLOAD", message, { path });
}
