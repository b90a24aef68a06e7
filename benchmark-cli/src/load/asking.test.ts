/** Replies of every protocol; what tells of a refusal; and how many requests may be without a reply. */
import { createServer, type Server, type Socket } from "node:net";
import { pack } from "msgpackr";
import { afterEach, describe, expect, it } from "vitest";
import { askingOf } from "./asking.ts";
import { ClientSocket, webSocketFrames } from "./client-socket.ts";
import { httpReplies } from "./http-replies.ts";
import { PacedLane, UNMEASURED } from "./paced-lane.ts";
import { respReplies, respValue } from "./resp-replies.ts";

let server: Server | undefined;
afterEach(() => server?.close());

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const own = createServer({ noDelay: true }, serve);
  server = own;
  await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
  const address = own.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

const RESP =
  "+OK\r\n:17\r\n$-1\r\n*-1\r\n$8\r\nab\r\n*2\r\n\r\n*4\r\n$2\r\nid\r\n:7\r\n$4\r\ndata\r\n*2\r\n*0\r\n$0\r\n\r\n:3\r\n";
const RESP_VALUES = ["OK", 17, null, null, "ab\r\n*2\r\n", ["id", 7, "data", [[], ""]], 3];

describe("replies of RESP", () => {
  it("are what was sent, and none is shown before its last byte has come", () => {
    const sent = Buffer.from(RESP);
    const values: unknown[] = [];
    const onMessage = (bytes: Buffer, start: number) => values.push(respValue(bytes, start));
    // The framing looks at nothing else of a socket.
    const socket = { onMessage } as unknown as ClientSocket;
    const ends: number[] = [];
    // What is behind `to` is of an earlier piece, as in the buffer that all sockets share.
    for (let from = 0, to = 0; to <= sent.length; to++) {
      const end = respReplies(socket, sent, from, to);
      if (end < 0) continue;
      expect(end).toBe(to);
      ends.push(end);
      from = end;
    }
    expect(values).toEqual(RESP_VALUES);
    expect(ends.at(-1)).toBe(sent.length);
  });
});

describe("a reply", () => {
  const packed = pack({ success: true, payload: { subscribers_matched: 300, topic: "t" } });
  const json = Buffer.from('{"success":true,"payload":{"message_id":"9","subscribers_matched":300,"topic":"t"}}');
  const no = { success: false, error: "the token does not permit it", code: "FORBIDDEN" };

  it.each([
    ["websocket", packed],
    ["http", json],
    ["resp", Buffer.from(":300\r\n")],
  ] as const)("of %s tells the number that is asked for", (protocol, bytes) => {
    const asking = askingOf(protocol);
    expect(asking.isReply(bytes, 0, bytes.length)).toBe(true);
    expect(asking.numberOf("subscribers_matched")(bytes, 0, bytes.length)).toBe(300);
  });

  it.each([
    ["websocket", pack(no)],
    ["http", Buffer.from(JSON.stringify(no))],
    ["resp", Buffer.from("-NOPERM the token does not permit it\r\n")],
  ] as const)("of %s that refuses says why", (protocol, bytes) => {
    expect(() => askingOf(protocol).isReply(bytes, 0, bytes.length)).toThrow(/refused.*the token does not permit it/);
  });

  it("is not what is pushed", () => {
    const push = pack({ type: "event", offset: 1 });
    expect(askingOf("websocket").isReply(push, 0, push.length)).toBe(false);
  });
});

describe("a lane", () => {
  it("of HTTP has one request without a reply, and sends the others in order", async () => {
    const bodies: string[] = [];
    let most = 0;
    const port = await listen((socket) => {
      socket.on("data", (chunk) => {
        const asked = chunk.toString().split("\n").slice(0, -1);
        most = Math.max(most, asked.length);
        bodies.push(...asked);
        for (const _ of asked) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"success":true}');
      });
    });
    const lane = new PacedLane(await ClientSocket.open(port, httpReplies), { add: () => undefined }, askingOf("http"));
    const asked = Array.from({ length: 20 }, (_, i) => `request ${i}`);
    const reused = Buffer.alloc(64);
    await new Promise<void>((resolve) => {
      lane.onReply = () => {
        if (lane.pending === 0) resolve();
      };
      for (const text of asked) lane.send(reused.subarray(0, reused.write(`${text}\n`)), UNMEASURED);
      lane.socket.flush();
    });
    lane.socket.close();
    expect(bodies).toEqual(asked);
    expect(most).toBe(1);
  });

  it("of a WebSocket sends at once what is asked for", async () => {
    let bytes = 0;
    const port = await listen((socket) => {
      socket.on("data", (chunk) => {
        bytes += chunk.length;
        const reply = pack({ success: true });
        if (bytes === 20)
          for (let i = 0; i < 20; i++) socket.write(Buffer.concat([Buffer.from([0x82, reply.length]), reply]));
      });
    });
    const lane = new PacedLane(await ClientSocket.open(port, webSocketFrames), { add: () => undefined });
    await new Promise<void>((resolve) => {
      lane.onReply = () => {
        if (lane.pending === 0) resolve();
      };
      for (let i = 0; i < 20; i++) lane.send(Buffer.from("x"), UNMEASURED);
      lane.socket.flush();
    });
    lane.socket.close();
    expect(bytes).toBe(20);
  });
});
