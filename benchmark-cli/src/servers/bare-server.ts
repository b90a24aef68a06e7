/**
 * What the gates measure against: uWebSockets.js that reads each request and answers the same bytes, over HTTP and WebSocket.
 * It does the same system calls as ours and none of our work. Arguments: the port, and the body of an answer of HTTP.
 */

import * as uWS from "uWebSockets.js";
import { pack } from "msgpackr";

const [port, body] = process.argv.slice(2);
const FRAME = pack({ success: true, payload: JSON.parse(body).payload });

uWS
  .App()
  .post("/*", (response) => {
    response.onAborted(() => undefined);
    response.onData((_chunk, isLast) => {
      if (isLast) response.writeHeader("Content-Type", "application/json").end(body);
    });
  })
  .ws("/*", {
    message: (socket) => {
      socket.send(FRAME, true);
    },
  })
  .listen("127.0.0.1", Number(port), (socket) => {
    if (!socket) throw new Error(`cannot listen on ${port}`);
  });
