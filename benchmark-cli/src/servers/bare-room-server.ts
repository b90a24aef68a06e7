/**
 * The most that uWebSockets.js can do as a server of rooms: no log, no history, no offsets. What a publisher sends goes as
 * it is to all who subscribed. Argument: the port.
 *
 *     GET /api/v1/ws?room=7    subscribes to room 7
 *     message                  room (16 bits, big endian), then what its subscribers get; the publisher gets a reply
 */

import * as uWS from "uWebSockets.js";
import { pack } from "msgpackr";

interface Subscriber {
  /** Empty for a publisher. */
  readonly room: string;
}

const [port] = process.argv.slice(2);
const REPLY = pack({ success: true, payload: { offset: 0 } });
/** Nothing is dropped before this much is unread. */
const BACKPRESSURE_BYTES_MAX = 64 * 1024 * 1024;

const app = uWS.App();
app
  .ws<Subscriber>("/api/v1/ws", {
    maxBackpressure: BACKPRESSURE_BYTES_MAX,
    idleTimeout: 0,
    upgrade: (response, request, context) => {
      const data: Subscriber = { room: request.getQuery("room") ?? "" };
      const key = request.getHeader("sec-websocket-key");
      response.upgrade(data, key, "", request.getHeader("sec-websocket-extensions"), context);
    },
    open: (socket) => {
      const { room } = socket.getUserData();
      if (room !== "") socket.subscribe(room);
    },
    message: (socket, message) => {
      const bytes = new Uint8Array(message);
      app.publish(String((bytes[0] << 8) | bytes[1]), bytes.subarray(2), true);
      socket.send(REPLY, true);
    },
  })
  .listen("127.0.0.1", Number(port), (socket) => {
    if (!socket) throw new Error(`cannot listen on ${port}`);
  });
