/** Server-Sent Events of a real process, read by a client that knows no more than a browser does. */
import { type ClientRequest, get } from "node:http";
import { afterEach, beforeEach, expect, it } from "vitest";
import { testedTransport } from "../tested-transport.ts";
import { type Fields, numbers, ServerProcess, until } from "./messaging-server.ts";

let server: ServerProcess;
let streams: EventStream[];
beforeEach(async () => {
  server = await ServerProcess.start(`server.transport=${testedTransport}`);
  streams = [];
});
afterEach(async () => {
  for (const stream of streams) stream.cut();
  await server.end();
});

/** One connection: what it says, as the specification of event streams has a client read it. */
class EventStream {
  /** The data of the events that came whole. */
  readonly events: Fields[] = [];
  /** The id that a browser would come back with. */
  lastEventId: string;
  reconnectMs: number | undefined;
  status: number | undefined;
  isOver = false;
  onEvent: (event: Fields) => void = () => {};
  readonly #request: ClientRequest;
  #rest = "";
  #isCut = false;

  constructor(query: string, lastEventId = "") {
    this.lastEventId = lastEventId;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (lastEventId !== "") headers["last-event-id"] = lastEventId;
    this.#request = get(`${server.url}/api/v1/events?${query}`, { headers, agent: false }, (response) => {
      this.status = response.statusCode;
      response.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
      response.on("error", () => response.destroy());
    });
    this.#request.on("error", () => this.#request.destroy());
    this.#request.on("close", () => {
      this.isOver = true;
    });
    streams.push(this);
  }

  /** The connection breaks; what has not been read is lost. */
  cut(): void {
    this.#isCut = true;
    this.#request.destroy();
  }

  #receive(text: string): void {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    for (const block of blocks) if (!this.#isCut) this.#dispatch(block.split("\n"));
  }

  #dispatch(lines: readonly string[]): void {
    const valuesOf = (field: string): string[] =>
      lines.filter((line) => line.startsWith(`${field}: `)).map((line) => line.slice(field.length + 2));
    const [retry] = valuesOf("retry");
    if (retry !== undefined) this.reconnectMs = Number(retry);
    const [id] = valuesOf("id");
    if (id !== undefined) this.lastEventId = id;
    const data = valuesOf("data");
    if (data.length === 0) return;
    // What comes is one object each.
    const event = JSON.parse(data.join("\n")) as Fields;
    this.events.push(event);
    this.onEvent(event);
  }
}

function publish(room: string, from: number, count: number): Promise<Fields> {
  const events = numbers(count).map((n) => ({ event: "tick", data: from + n }));
  return server.send("stream.publish_batch", { room, events });
}

/** `event 3`, or `gap 3-7 retention`. */
function shortly(event: Fields): string {
  if (event.type === "gap") return `gap ${event.from_offset}-${event.to_offset} ${event.reason}`;
  expect(event).toMatchObject({ type: "event", event: "tick", timestamp: expect.any(Number) });
  return `event ${event.offset}`;
}

it("gives history, then what is new, and after a cut what came after the last event seen", async () => {
  await server.send("stream.create", { room: "feed" });
  await publish("feed", 0, 50);
  const first = new EventStream("room=feed&from_offset=20");
  await until(() => first.events.length === 30);
  expect(first.status).toBe(200);
  expect(first.reconnectMs).toBeGreaterThan(0);
  await publish("feed", 50, 10);
  await until(() => first.events.length === 40);
  expect(first.events.map(shortly)).toEqual(
    numbers(60)
      .slice(20)
      .map((n) => `event ${n}`),
  );
  first.cut();
  await publish("feed", 60, 10);
  const second = new EventStream("room=feed&from_offset=20", first.lastEventId);
  await until(() => second.events.length === 10);
  await publish("feed", 70, 1);
  await until(() => second.events.length === 11);
  expect(second.events.map(({ data }) => data)).toEqual(numbers(71).slice(60));
  // Nothing has been kept for the first one.
  second.cut();
  const gauge = async () => (await server.metrics()).get("synap_subscriptions")?.samples.map(({ value }) => value);
  await until(async () => (await gauge())?.every((value) => value === 0) === true);
});

it("names what is gone: by retention, and by the room being another", async () => {
  await server.send("stream.create", { room: "feed", max_events: 10 });
  await publish("feed", 0, 5);
  const first = new EventStream("room=feed&from_offset=0");
  await until(() => first.events.length === 5);
  first.cut();
  await publish("feed", 5, 45);
  const second = new EventStream("room=feed&from_offset=0", first.lastEventId);
  await until(() => second.events.length === 11);
  const kept = numbers(50)
    .slice(40)
    .map((n) => `event ${n}`);
  expect(second.events.map(shortly)).toEqual(["gap 5-39 retention", ...kept]);
  second.cut();
  await server.send("stream.delete", { room: "feed" });
  await server.send("stream.create", { room: "feed" });
  // The new room has an event at the offset where the reader would have gone on.
  await publish("feed", 100, 60);
  const third = new EventStream("room=feed&from_offset=0", second.lastEventId);
  await until(() => third.events.length === 61);
  expect(third.events[0]).toMatchObject({ type: "gap", reason: "recreated" });
  expect(third.events.slice(1).map(shortly)).toEqual(numbers(60).map((n) => `event ${n}`));
  expect(third.events[1].data).toBe(100);
  // Recreated under a reader that is live.
  await server.send("stream.delete", { room: "feed" });
  await server.send("stream.create", { room: "feed" });
  await publish("feed", 200, 2);
  await until(() => third.events.length === 64);
  expect(third.events[61]).toMatchObject({ type: "gap", reason: "recreated" });
  expect(third.events.slice(62).map(({ data }) => data)).toEqual([200, 201]);
});

it("gives a browser that is cut again and again every event exactly once, while events go on", async () => {
  const count = 3000;
  await server.send("stream.create", { room: "feed" });
  const seen: unknown[] = [];
  let connections = 0;
  let lastEventId = "";
  const connect = (): void => {
    const stream = new EventStream("room=feed&from_offset=0", lastEventId);
    connections += 1;
    // Now and then at once, now and then after many: whatever is on its way then is lost.
    const eventsMax = [1, 7, 40, 150, 3, 300][connections % 6];
    stream.onEvent = ({ data }) => {
      seen.push(data);
      lastEventId = stream.lastEventId;
      if (stream.events.length < eventsMax || seen.length >= count) return;
      stream.cut();
      connect();
    };
  };
  connect();
  for (let from = 0; from < count; from += 20) await publish("feed", from, 20);
  await until(() => seen.length >= count);
  expect(seen).toEqual(numbers(count));
  expect(connections).toBeGreaterThan(10);
});

it("ends a stream when the server stops, with the reason", async () => {
  await server.send("stream.create", { room: "feed" });
  const stream = new EventStream("room=feed&from_offset=0");
  await publish("feed", 0, 3);
  await until(() => stream.events.length === 3);
  server.signal("SIGTERM");
  await until(() => stream.isOver);
  expect(stream.events.at(-1)).toMatchObject({ type: "closing", code: "SHUTTING_DOWN" });
  expect(await server.ended).toEqual([0, null]);
});
