/** Replies in every protocol, whole and byte by byte: each is counted once, and failures are seen with their codes. */
import { createServer, type Server, type Socket } from "node:net";
import { pack } from "msgpackr";
import { afterEach, describe, expect, it } from "vitest";
import { openConnection, type Protocol } from "./connection.ts";
import { failuresOf } from "./workload.ts";

let server: Server | undefined;
afterEach(() => server?.close());

/** A server that answers the first bytes of each connection with `bytes`, in pieces. */
async function serve(bytes: Buffer, pieceBytes: number, upgrade: boolean): Promise<number> {
  const answer = (socket: Socket) => {
    for (let at = 0; at < bytes.length; at += pieceBytes) socket.write(bytes.subarray(at, at + pieceBytes));
  };
  server = createServer({ noDelay: true }, (socket) => {
    let greeted = !upgrade;
    socket.on("data", () => {
      if (greeted) answer(socket);
      else socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      greeted = true;
    });
  });
  const own = server;
  await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
  const address = own.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function frame(body: object): Buffer {
  const packed = pack(body);
  return Buffer.concat([Buffer.from([0x82, 126, packed.length >> 8, packed.length & 0xff]), packed]);
}

function http(status: number, body: object): Buffer {
  const text = JSON.stringify(body);
  return Buffer.from(`HTTP/1.1 ${status} X\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
}

const WRONG = { success: false, error: "no", code: "WRONG_TYPE" };
const RIGHT = { success: true, payload: "v".repeat(100) };
const BATCH = { type: "batch_response", success: true, results: [RIGHT, WRONG, RIGHT, WRONG] };

const STREAMS: Readonly<Record<Protocol, Buffer>> = {
  websocket: Buffer.concat([frame(RIGHT), frame(WRONG), frame(BATCH), frame(RIGHT)]),
  http: Buffer.concat([http(200, RIGHT), http(409, WRONG), http(200, BATCH), http(200, RIGHT)]),
  resp: Buffer.from("+OK\r\n-WRONG_TYPE no\r\n$-1\r\n$6\r\nab\r\ncd\r\n:17\r\n-WRONG_TYPE no\r\n-WRONG_TYPE no\r\n"),
};
const REPLIES: Readonly<Record<Protocol, number>> = { websocket: 4, http: 4, resp: 7 };

describe.each(["websocket", "http", "resp"] as const)("replies of %s", (protocol) => {
  it.each([1, 7, 100_000])("in pieces of %i bytes are counted, and so are their failures", async (pieceBytes) => {
    const port = await serve(STREAMS[protocol], pieceBytes, protocol === "websocket");
    const connection = await openConnection(protocol, port);
    const codes: string[] = [];
    connection.onFailure = (body) => codes.push(...failuresOf(protocol, body));
    await new Promise<void>((resolve) => {
      let replies = 0;
      connection.onReply = () => {
        replies += 1;
        if (replies === REPLIES[protocol]) resolve();
      };
      connection.send(Buffer.from("ask"));
    });
    connection.close();
    expect(codes).toEqual(["WRONG_TYPE", "WRONG_TYPE", "WRONG_TYPE"]);
  });
});
