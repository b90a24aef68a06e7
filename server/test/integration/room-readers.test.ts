/** Readers of a room over real sockets: one that does not read, and an event stream that is cut and resumed. */
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";

let server: RunningServer;
beforeAll(async () => {
  server = await startServer(configFromFlags("--no-persistence", "--port", "0", "--log-level", "silent"), silentLogger);
});
afterAll(() => server.stop());

type Fields = Readonly<Record<string, unknown>>;

async function send(command: string, payload: unknown): Promise<Fields> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ command, payload });
  const response = await fetch(`${server.url}/api/v1/command`, { method: "POST", headers, body });
  // What an object from the wire is.
  const reply = (await response.json()) as { readonly payload: Fields };
  expect(response.status).toBe(200);
  return reply.payload;
}

/** Follows the pushes of one room; throws where one is not what has to come after those before. */
class Reader {
  nextOffset = 0;
  gaps = 0;
  events = 0;

  take(push: Fields): void {
    const first = push.type === "gap" ? push.from_offset : push.offset;
    if (first !== this.nextOffset) throw new Error(`${this.nextOffset} has to come next: ${JSON.stringify(push)}`);
    if (push.type === "gap") this.gaps++;
    else this.events++;
    this.nextOffset = Number(push.type === "gap" ? push.to_offset : push.offset) + 1;
  }
}

it("does not cut off a WebSocket that reads nothing while a room goes on, and tells it what it has missed", async () => {
  await send("stream.create", { room: "busy", max_bytes: 2 ** 21 });
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/api/v1/ws`, { perMessageDeflate: false });
  await once(socket, "open");
  const reader = new Reader();
  const isSubscribed = once(socket, "message");
  socket.send(JSON.stringify({ command: "stream.subscribe", payload: { room: "busy" } }));
  await isSubscribed;
  socket.on("message", (data) => reader.take(JSON.parse(String(data))));
  socket.pause();
  const events = Array.from({ length: 16 }, () => ({ event: "e", data: "d".repeat(32 * 1024) }));
  for (let i = 0; i < 60; i++) await send("stream.publish_batch", { room: "busy", events });
  const last = 60 * 16;
  expect(await send("stream.stats", { room: "busy" })).toMatchObject({ subscriber_count: 1, total_published: last });
  socket.resume();
  while (reader.nextOffset < last) await once(socket, "message");
  expect(reader.gaps).toBeGreaterThan(0);
  expect(reader.events).toBeLessThan(last);
  await send("stream.publish", { room: "busy", event: "e", data: 1 });
  while (reader.nextOffset < last + 1) await once(socket, "message");
  socket.close();
  await once(socket, "close");
});

/** Reads events of a stream until there are `count`, and returns the id of the last one. */
async function readEvents(query: string, lastEventId: string, reader: Reader, count: number): Promise<string> {
  const abort = new AbortController();
  const headers: Record<string, string> = lastEventId === "" ? {} : { "last-event-id": lastEventId };
  const response = await fetch(`${server.url}/api/v1/events?${query}`, { headers, signal: abort.signal });
  if (response.body === null) throw new Error("an event stream has a body");
  let text = "";
  let id = lastEventId;
  let left = count;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0 && left > 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const data = lines.find((line) => line.startsWith("data: "));
      if (data === undefined) continue;
      reader.take(JSON.parse(data.slice(6)));
      id = lines.find((line) => line.startsWith("id: "))?.slice(4) ?? id;
      left--;
    }
    if (left === 0) break;
  }
  abort.abort();
  return id;
}

it("resumes an event stream after the last event that was seen, with nothing twice and nothing missing", async () => {
  await send("stream.create", { room: "feed", max_events: 50 });
  const publish = async (count: number) => {
    const events = Array.from({ length: count }, (_, data) => ({ event: "e", data }));
    await send("stream.publish_batch", { room: "feed", events });
  };
  await publish(40);
  const reader = new Reader();
  let id = await readEvents("room=feed&from_offset=0", "", reader, 25);
  expect(reader.nextOffset).toBe(25);
  id = await readEvents("room=feed", id, reader, 10);
  expect(reader.nextOffset).toBe(35);
  await publish(100);
  await readEvents("room=feed", id, reader, 51);
  expect(reader).toMatchObject({ nextOffset: 140, gaps: 1, events: 85 });
});
