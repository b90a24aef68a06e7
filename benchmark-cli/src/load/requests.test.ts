/** A request before a measurement: what the server refuses is no success, however often the frame is sent. */
import { once } from "node:events";
import { createServer } from "node:net";
import { pack } from "msgpackr";
import { afterEach, expect, it } from "vitest";
import { ClientSocket, webSocketFrames } from "./client-socket.ts";
import { frameFor, performFrame } from "./requests.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** A socket whose server answers with these replies in turn, behind the upgrade. */
async function socketAnswering(...replies: object[]): Promise<ClientSocket> {
  const server = createServer((peer) => {
    peer.on("data", () => {
      const body = pack(replies.shift());
      peer.write(Buffer.concat([Buffer.from([0x82, body.length]), body]));
    });
    cleanups.push(() => peer.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const socket = await ClientSocket.open(port, webSocketFrames);
  cleanups.push(() => socket.close());
  return socket;
}

it("answers the payload of a success, and throws what the server refused", async () => {
  const socket = await socketAnswering({ success: true, payload: { key: "k" } }, { success: false, code: "too_big" });
  const frame = frameFor({ command: "kv.set", payload: { key: "k", value: "v" } });
  expect(await performFrame(socket, frame, "kv.set")).toEqual({ key: "k" });
  await expect(performFrame(socket, frame, "kv.set")).rejects.toThrow(/kv\.set failed: .*too_big/);
});
