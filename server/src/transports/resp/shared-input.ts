/**
 * Lets the socket of a connection that was accepted read into a buffer of ours, which all sockets share: what one has read
 * is run before the next reads.
 *
 *     as Node has it:  read --> a buffer of 64 KB, new for each read --> stream --> "data"
 *     here:            read --> the shared buffer --> onRead(length)
 *
 * `new net.Socket({ onread })` does this for sockets that connect, and net.Server has no option that would pass it on. So the
 * two properties that `onread` sets are looked up on a socket that was made with it, and set on the accepted one, whose handle
 * is told of the buffer as Node tells it. That is not documented. Where a Node has it no more, or the socket is one of TLS,
 * `readInto` says so and the caller listens to "data": slower, and the same otherwise. Pausing, resuming and "end" are as ever.
 */
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";

interface ReadingHandle {
  useUserBuffer(buffer: Uint8Array): void;
}

const [BUFFER, CALLBACK] = onreadProperties();

/** @returns false where the socket cannot; nothing has changed then. */
export function readInto(socket: Socket, buffer: Uint8Array, onRead: (length: number) => void): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (BUFFER === undefined || CALLBACK === undefined || socket instanceof TLSSocket || !isReadingHandle(handle))
    return false;
  Reflect.set(socket, BUFFER, buffer);
  Reflect.set(socket, CALLBACK, (length: number) => {
    onRead(length);
    return true;
  });
  handle.useUserBuffer(buffer);
  socket.resume();
  return true;
}

function isReadingHandle(handle: unknown): handle is ReadingHandle {
  return typeof handle === "object" && handle !== null && typeof Reflect.get(handle, "useUserBuffer") === "function";
}

/** The symbols under which a socket keeps what it was given as `onread`; undefined where it keeps them otherwise. */
function onreadProperties(): readonly (symbol | undefined)[] {
  const buffer = new Uint8Array(1);
  const callback = (): boolean => true;
  // The types of Node 20 know the option only where a socket connects.
  const options: ConstructorParameters<typeof Socket>[0] & { readonly onread: object } = {
    onread: { buffer, callback },
  };
  const socket = new Socket(options);
  const symbols = Object.getOwnPropertySymbols(socket);
  return [buffer, callback].map((value) => symbols.find((symbol) => Reflect.get(socket, symbol) === value));
}
