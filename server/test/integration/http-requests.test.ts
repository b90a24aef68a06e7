import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PageRoute } from "../../src/transports/transport.ts";
import { eventually, TransportUnderTest } from "./transport-under-test.ts";

const JSON_TYPE = { "Content-Type": "application/json" };
const POST = "POST /api/v1/command HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

const pages: PageRoute[] = [
  { path: "/health", respond: () => ({ status: 200, contentType: "application/json", body: "{}" }) },
  {
    path: "/late",
    respond: async ({ query }) => {
      await new Promise((resolve) => setImmediate(resolve));
      return { status: 503, contentType: "text/plain", body: `late ${query}` };
    },
  },
  {
    path: "/broken",
    respond: () => {
      throw new Error("a bug in a page");
    },
  },
  { path: "/broken-late", respond: () => Promise.reject(new Error("a late bug")) },
  { path: "/large", respond: () => ({ status: 200, contentType: "text/plain", body: "y".repeat(200_000) }) },
];

let server: TransportUnderTest;

beforeAll(async () => {
  server = await new TransportUnderTest({}, pages).listen();
});
afterAll(() => server.stop());

describe("POST /api/v1/command", () => {
  it("hands the body over and sends the reply", async () => {
    const answer = await server.post('{"a":1}');
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.text).toBe('json:{"a":1}');
    expect(server.dispatch.handled.at(-1)).toMatchObject({ format: "json", address: "127.0.0.1" });
  });

  it.each([
    ["application/json; charset=utf-8", "json"],
    ["Application/JSON", "json"],
    ["application/msgpack", "msgpack"],
    ["application/x-msgpack", "msgpack"],
    ["application/vnd.msgpack;v=1", "msgpack"],
  ])("takes %s as %s and answers in kind", async (type, format) => {
    const answer = await server.post("x", { "Content-Type": type });
    expect(answer.text).toBe(`${format}:x`);
    expect(answer.headers["content-type"]).toBe(`application/${format}`);
  });

  it("answers in the format that Accept names", async () => {
    const answer = await server.post("x", { Accept: "text/html;q=0.9, application/msgpack;q=0.8" });
    expect(answer.text).toBe("msgpack:x");
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"])(
    "refuses %s",
    async (type) => {
      const handledBefore = server.dispatch.handledCount;
      const answer = await server.post("{}", { "Content-Type": type });
      expect(answer.status).toBe(415);
      expect(JSON.parse(answer.text).code).toBe("UNSUPPORTED_MEDIA_TYPE");
      expect(server.dispatch.handledCount).toBe(handledBefore);
    },
  );

  it("refuses a body without a type", async () => {
    expect((await server.request("POST", "/api/v1/command", {}, "{}")).status).toBe(415);
  });

  it("passes an empty body on: that it is no request is for the codec to say", async () => {
    expect((await server.post("")).text).toBe("json:");
  });

  it("joins a body that comes byte by byte", async () => {
    const client = server.raw().send(`${POST}Content-Length: 11\r\n\r\n`);
    for (const character of "hello world") {
      await new Promise<void>((resolve) => client.socket.write(character, () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.answered("json:hello world");
    client.destroy();
    await eventually(() => server.connections.httpActive === 0);
  });

  it("joins chunks of a body without a length", async () => {
    const client = server.raw().send(`${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`);
    await client.answered("json:hello world");
    client.destroy();
  });

  it("answers pipelined requests in order", async () => {
    const requests = Array.from({ length: 50 }, (_, i) => `${POST}Content-Length: 3\r\n\r\n${100 + i}`);
    const client = await server.raw().send(requests.join("")).answered("json:149");
    const bodies = client.received.match(/json:\d+/g);
    expect(bodies).toEqual(Array.from({ length: 50 }, (_, i) => `json:${100 + i}`));
    client.destroy();
  });

  it("closes after the reply where the client asks for it", async () => {
    const client = await server.raw().send(`${POST}Connection: close\r\nContent-Length: 1\r\n\r\nx`).closed();
    expect(client.received).toContain("json:x");
  });

  it("takes a body of exactly the limit", async () => {
    expect((await server.post("z".repeat(64 * 1024))).text.length).toBe(64 * 1024 + "json:".length);
  });
});

describe("compression", () => {
  it("expands a gzipped body", async () => {
    const answer = await server.post(gzipSync('{"a":1}'), { "Content-Encoding": "gzip" });
    expect(answer.text).toBe('json:{"a":1}');
  });

  it("refuses a body that is no gzip, and one that is cut short", async () => {
    for (const body of [Buffer.from("plain"), gzipSync("x".repeat(500)).subarray(0, 20), Buffer.alloc(0)]) {
      const answer = await server.post(body, { "Content-Encoding": "gzip" });
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text).code).toBe("INVALID_REQUEST");
    }
  });

  it("refuses other encodings", async () => {
    const answer = await server.post("{}", { "Content-Encoding": "br" });
    expect(answer.status).toBe(415);
    expect(answer.headers["accept-encoding"]).toBe("gzip");
  });

  it.each([2000, 30_000, 60_000])("gzips a reply of %i bytes where the client accepts it", async (size) => {
    const { gunzipSync } = await import("node:zlib");
    const answer = await server.post(`size:${size}`, { "Accept-Encoding": "br, gzip" });
    expect(answer.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(answer.bytes).toString()).toBe("x".repeat(size));
  });

  it("leaves small replies and those for other clients as they are", async () => {
    expect((await server.post("size:1023", { "Accept-Encoding": "gzip" })).headers["content-encoding"]).toBeUndefined();
    expect((await server.post("size:5000")).headers["content-encoding"]).toBeUndefined();
    const refused = await server.post("size:5000", { "Accept-Encoding": "gzip;q=0" });
    expect(refused.text).toBe("x".repeat(5000));
  });

  it("keeps replies apart that are compressed at the same time", async () => {
    const { gunzipSync } = await import("node:zlib");
    const sizes = Array.from({ length: 4 }, (_, i) => 3_000_000 + i);
    const large = sizes.map((size) => server.post(`size:${size}`, { "Accept-Encoding": "gzip" }));
    // Each of these overwrites the dispatcher's buffer while the thread pool is at work.
    const small = sizes.map((size) => server.post(`other ${size}`));
    const answers = await Promise.all(large);
    await Promise.all(small);
    expect(answers.map((answer) => gunzipSync(answer.bytes).toString())).toEqual(sizes.map((size) => "x".repeat(size)));
  });
});

describe("a request that offers to go on in another protocol", () => {
  const OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";

  it("is answered in this one, and the connection goes on", async () => {
    const client = await server
      .raw()
      .send(`${POST}${OFFER}Content-Length: 5\r\n\r\nhe`)
      .until(() => true);
    await client.send("llo").answered("json:hello");
    await client.send(`${POST}${OFFER}Content-Length: 5\r\n\r\nagain`).answered("json:again");
    await client.send(`GET /health HTTP/1.1\r\nHost: localhost\r\n${OFFER}\r\n`).answered("{}");
    client.destroy();
  });
});

describe("pages", () => {
  it("serves GET, and HEAD without the body", async () => {
    expect(await server.request("GET", "/health", {})).toMatchObject({ status: 200, text: "{}" });
    const head = await server.request("HEAD", "/health", {});
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers["content-length"]).toBe("2");
  });

  it("serves what takes time to make, with its query and status", async () => {
    expect(await server.request("GET", "/late?a=b", {})).toMatchObject({ status: 503, text: "late a=b" });
  });

  it.each(["/broken", "/broken-late"])("answers for a bug in %s and reports it", async (path) => {
    const answer = await server.request("GET", path, {});
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: "INTERNAL_ERROR",
      details: { id: `bug-${server.bugs.length}` },
    });
  });

  it("gzips a large page", async () => {
    const answer = await server.request("GET", "/large", { "Accept-Encoding": "gzip" });
    expect(answer.headers["content-encoding"]).toBe("gzip");
  });

  it("survives a client that leaves before its page is made", async () => {
    const client = server.raw().send("GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.socket.end();
    await client.closed();
    expect((await server.request("GET", "/health", {})).status).toBe(200);
  });
});

describe("paths and methods", () => {
  it("says 404 to a path that is not exactly one of them", async () => {
    for (const path of ["/health/", "//health", "/api/v1/command/x", "/__proto__", "/HEALTH"]) {
      expect((await server.request("GET", path, {})).status, path).toBe(404);
    }
  });

  it("says 404 as an error body", async () => {
    const answer = await server.request("GET", "/nowhere", {});
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.text)).toMatchObject({ success: false, code: "INVALID_REQUEST" });
  });

  it.each([
    ["GET", "/api/v1/command", "POST, OPTIONS"],
    ["DELETE", "/api/v1/command", "POST, OPTIONS"],
    ["POST", "/health", "GET, HEAD, OPTIONS"],
    ["POST", "/api/v1/ws", "GET"],
  ])("says 405 to %s %s", async (method, path, allow) => {
    const answer = await server.request(method, path, JSON_TYPE);
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe(allow);
    expect(JSON.parse(answer.text).code).toBe("INVALID_REQUEST");
  });

  it("says 426 to a plain GET of the WebSocket endpoint", async () => {
    const answer = await server.request("GET", "/api/v1/ws", {});
    expect(answer.status).toBe(426);
    expect(answer.headers.upgrade).toBe("websocket");
  });
});

describe("Host and Origin", () => {
  it.each(["localhost", "127.0.0.1:15500", "[::1]:80", "synap.example.com"])("is called %s", async (host) => {
    expect((await server.post("x", { Host: host })).status).toBe(200);
  });

  it.each(["evil.example", "localhost.evil.example", "10.0.0.1", "localhost:80:80", "user@localhost"])(
    "is not called %s",
    async (host) => {
      const handledBefore = server.dispatch.handledCount;
      const answers = [await server.post("x", { Host: host }), await server.request("GET", "/health", { Host: host })];
      expect(answers.map((answer) => answer.status)).toEqual([403, 403]);
      expect(JSON.parse(answers[0].text).code).toBe("FORBIDDEN");
      expect(server.dispatch.handledCount).toBe(handledBefore);
    },
  );

  it("takes its own origin without CORS headers", async () => {
    const answer = await server.post("x", { Host: "localhost:15500", Origin: "http://localhost:15500" });
    expect(answer.status).toBe(200);
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("takes an allowed origin with CORS headers, and answers its preflight", async () => {
    const origin = "https://app.example.com";
    const answer = await server.post("x", { Origin: origin });
    expect(answer.headers).toMatchObject({ "access-control-allow-origin": origin, vary: "Origin" });
    const preflight = await server.request("OPTIONS", "/api/v1/command", {
      Origin: origin,
      "Access-Control-Request-Method": "POST",
    });
    expect(preflight.status).toBe(200);
    expect(preflight.headers["access-control-allow-origin"]).toBe(origin);
    expect(preflight.headers["access-control-allow-methods"]).toBe("POST, OPTIONS");
    expect(preflight.headers["access-control-allow-headers"]).toContain("Content-Type");
  });

  it.each(["https://evil.example", "null", "http://localhost:3000", "https://app.example.com.evil.example"])(
    "refuses the origin %s, to preflights too",
    async (origin) => {
      const answer = await server.post("x", { Origin: origin });
      expect(answer.status).toBe(403);
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
      expect((await server.request("OPTIONS", "/api/v1/command", { Origin: origin })).status).toBe(403);
    },
  );
});
