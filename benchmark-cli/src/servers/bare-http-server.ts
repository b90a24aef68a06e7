/**
 * The most that uWebSockets.js can do: reads the body of every request and answers the same bytes. What our server is
 * measured against. Arguments: the port, and the body of the answer.
 */
import * as uWS from "uWebSockets.js";

const [port, body] = process.argv.slice(2);

uWS
  .App()
  .post("/*", (response) => {
    response.onAborted(() => undefined);
    response.onData((_chunk, isLast) => {
      if (isLast) response.writeHeader("Content-Type", "application/json").end(body);
    });
  })
  .listen("127.0.0.1", Number(port), (socket) => {
    if (!socket) throw new Error(`cannot listen on ${port}`);
  });
