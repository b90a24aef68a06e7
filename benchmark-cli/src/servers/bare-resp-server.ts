/**
 * The most that a server on Node's sockets can do for clients of RESP that await each reply: every read is answered with the same
 * bytes, whatever it says. Argument: the port.
 */
import { createServer } from "node:net";

const [port] = process.argv.slice(2);
const REPLY = Buffer.from("+OK\r\n");

createServer({ noDelay: true }, (socket) => {
  socket.on("data", () => socket.write(REPLY));
  // Reset by a client that has measured enough.
  socket.on("error", () => socket.destroy());
}).listen(Number(port), "127.0.0.1");
