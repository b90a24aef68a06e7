/** Sockets that were accepted, each with its peer, which reads nothing until it is resumed or listened to. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface SocketPair {
  readonly accepted: Socket;
  readonly peer: Socket;
}

export function socketPairs(): { readonly pair: () => Promise<SocketPair>; readonly closeAll: () => void } {
  const closing: (() => void)[] = [];
  const pair = async (): Promise<SocketPair> => {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const peer = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
    const [accepted] = (await once(server, "connection")) as [Socket];
    closing.push(() => {
      peer.destroy();
      accepted.destroy();
      server.close();
    });
    return { accepted, peer };
  };
  const closeAll = (): void => {
    for (const close of closing.splice(0)) close();
  };
  return { pair, closeAll };
}
