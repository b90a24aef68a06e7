/** What only one of the protocols has: HTTP's content types and statuses, WebSocket's frames. Against a running server. */
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { configFromFlags } from "../../src/config/load.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { TRANSPORT_FLAGS } from "../tested-transport.ts";
import { json, msgpack } from "./format.ts";

let server: RunningServer;
beforeAll(async () => {
  const limit = "protocol.max_request_bytes=128kb";
  const flags = ["--port", "0", "--log-level", "silent", "--set", limit, "--set", "kv_store.max_value_bytes=64kb"];
  server = await startServer(configFromFlags("--no-persistence", ...TRANSPORT_FLAGS, ...flags), silentLogger);
});
afterAll(() => server.stop());

const DBSIZE = { command: "kv.dbsize", request_id: 5 };
const SIZE = { success: true, request_id: 5, payload: { size: 0 } };

function post(body: Buffer, headers: Record<string, string>): Promise<Response> {
  return fetch(`${server.url}/api/v1/command`, { method: "POST", body: new Uint8Array(body), headers });
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

describe("over HTTP", () => {
  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    "",
  ])("a body of type %j is refused, which stops a web page's simple request", async (type) => {
    const response = await post(json.encode(DBSIZE), { "content-type": type });
    expect(response.status).toBe(415);
    expect(json.decode(await bytesOf(response))).toMatchObject({ success: false, code: "UNSUPPORTED_MEDIA_TYPE" });
  });

  it.each(["application/json", "application/json; charset=utf-8", "Application/JSON"])(
    "a body of type %s is JSON",
    async (type) => {
      const response = await post(json.encode(DBSIZE), { "content-type": type });
      expect([response.status, json.decode(await bytesOf(response))]).toEqual([200, SIZE]);
    },
  );

  it.each(["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"])(
    "a body of type %s is MessagePack",
    async (type) => {
      const response = await post(msgpack.encode(DBSIZE), { "content-type": type });
      expect([response.status, msgpack.decode(await bytesOf(response))]).toEqual([200, SIZE]);
    },
  );

  it("the reply follows Accept, and the request id is encoded anew", async () => {
    const packed = await post(json.encode(DBSIZE), { "content-type": json.contentType, accept: msgpack.contentType });
    expect([packed.headers.get("content-type"), msgpack.decode(await bytesOf(packed))]).toEqual([
      msgpack.contentType,
      SIZE,
    ]);
    const text = await post(msgpack.encode(DBSIZE), { "content-type": msgpack.contentType, accept: json.contentType });
    expect(json.decode(await bytesOf(text))).toEqual(SIZE);
  });

  it("a body over the limit is refused, one at the limit is read", async () => {
    const padded = (bytes: number) => {
      const message = json.encode(DBSIZE);
      return Buffer.concat([message, Buffer.alloc(bytes - message.length, " ")]);
    };
    const headers = { "content-type": json.contentType };
    expect((await post(padded(128 * 1024), headers)).status).toBe(200);
    const response = await post(padded(128 * 1024 + 1), headers);
    expect(response.status).toBe(413);
    expect(json.decode(await bytesOf(response))).toMatchObject({ success: false, code: "PAYLOAD_TOO_LARGE" });
  });

  it("an empty body is no request", async () => {
    const response = await post(Buffer.alloc(0), { "content-type": json.contentType });
    expect([response.status, json.decode(await bytesOf(response))]).toMatchObject([400, { code: "INVALID_REQUEST" }]);
  });
});

describe("over a WebSocket", () => {
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(`${server.url.replace(/^http/, "ws")}/api/v1/ws`);
    await once(socket, "open");
    return socket;
  };

  it("replies come in order, each in the kind of its request", async () => {
    const socket = await open();
    const replies: unknown[] = [];
    const complete = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer, isBinary) => {
        replies.push((isBinary ? msgpack : json).decode(data));
        if (replies.length === 20) resolve();
      });
    });
    for (let id = 0; id < 20; id++) {
      const format = id % 3 === 0 ? msgpack : json;
      socket.send(format.encode({ ...DBSIZE, request_id: id }), { binary: format === msgpack });
    }
    await complete;
    expect(replies).toEqual(Array.from({ length: 20 }, (_, id) => ({ ...SIZE, request_id: id })));
    socket.close();
  });

  it("a text frame that is no UTF-8 ends its connection (RFC 6455, 8.1), and no other", async () => {
    const [broken, other] = [await open(), await open()];
    broken.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false });
    // The library drops it without the close frame of code 1007, which the RFC recommends and does not demand.
    await once(broken, "close");
    other.send(json.encode(DBSIZE), { binary: false });
    const [data] = (await once(other, "message")) as [Buffer];
    expect(json.decode(data)).toEqual(SIZE);
    other.close();
  });
});
