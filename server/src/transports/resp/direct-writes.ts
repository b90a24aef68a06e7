/**
 * Writes to the socket of a connection that was accepted, past its stream. Nearly always the system takes a write at once, and then
 * neither the queue of the stream nor an object for each request is of any use; they cost as much as a small command.
 *
 *     as Node has it:  bytes --> stream --> a request, new for each write --> handle --> system
 *     here:            bytes --> handle --> system       one request for all writes, until one is not taken at once
 *
 * What the system does not take stays with the handle, which writes it later, before anything that the stream is given meanwhile;
 * `pendingBytes` counts it. Only a request that was not needed may be used again: one that the system has, though it has taken all
 * the bytes, is attached to its write until it is told, and Node ends the process where it gets it once more.
 *
 * The request and the handle's `writeBuffer` are not documented: what a socket hands to a handle that only looks at it says what
 * requests are. Where a Node has them no more, as 26, whose sockets make one only when it is needed, or the socket is one of TLS,
 * `write` says so and the caller writes to the stream: slower, and the same otherwise.
 */
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";

interface WriteRequest {
  /** Below 0 while no write has the request. */
  getAsyncId(): number;
  oncomplete: (status: number) => void;
  /** The system reads them until it is complete. */
  waiting: Uint8Array | undefined;
}

interface WritingHandle {
  /** 0, or an error of the system. It may be done, or be done later: then the request is told. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  readonly writeQueueSize: number;
}

const REQUEST = requestClass();
/** Not in use: the last write was done at once. */
let spare = REQUEST === undefined ? undefined : new REQUEST();

export class DirectWrites {
  /** What the system has not taken yet. */
  pendingBytes = 0;
  readonly #socket: Socket;
  readonly #handle: WritingHandle | undefined;
  readonly #onTaken: () => void;

  /** @param onTaken what was pending was taken, or never will be. */
  constructor(socket: Socket, onTaken: () => void) {
    this.#socket = socket;
    this.#onTaken = onTaken;
    const handle: unknown = Reflect.get(socket, "_handle");
    this.#handle = socket instanceof TLSSocket || !isWritingHandle(handle) ? undefined : handle;
  }

  /**
   * Writes, if nothing is to be written before. The bytes have to stay as they are while `pendingBytes` is not 0.
   * @returns false where it cannot; nothing has happened then.
   */
  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    const handle = this.#handle;
    if (REQUEST === undefined || handle === undefined || this.pendingBytes > 0 || !isIdle(socket)) return false;
    const request = spare ?? new REQUEST();
    spare = request;
    if (handle.writeBuffer(request, bytes) !== 0) {
      // Reset by the peer and the like.
      socket.destroy();
      return true;
    }
    if (request.getAsyncId() >= 0) {
      spare = undefined;
      const pendingBytes = handle.writeQueueSize;
      // What was not taken at first may have been a moment later: then only the request is still to be told.
      if (pendingBytes > 0) this.#await(request, bytes, pendingBytes);
    }
    return true;
  }

  #await(request: WriteRequest, bytes: Uint8Array, pendingBytes: number): void {
    this.pendingBytes = pendingBytes;
    request.waiting = bytes;
    request.oncomplete = (status) => {
      this.pendingBytes = 0;
      request.waiting = undefined;
      if (status < 0) this.#socket.destroy();
      this.#onTaken();
    };
  }
}

function isIdle({ writableLength, writable }: Socket): boolean {
  return writableLength === 0 && writable;
}

function isWritingHandle(handle: unknown): handle is WritingHandle {
  return (
    typeof handle === "object" &&
    handle !== null &&
    typeof Reflect.get(handle, "writeBuffer") === "function" &&
    typeof Reflect.get(handle, "writeQueueSize") === "number"
  );
}

/** What a socket makes its requests of; undefined where it does that otherwise. */
function requestClass(): (new () => WriteRequest) | undefined {
  let seen: unknown;
  const handle = {
    writeBuffer(request: unknown) {
      seen = request;
      return 0;
    },
    readStart: () => 0,
    close: (closed: () => void) => closed(),
  };
  // The types do not know of a handle that is given.
  const options: ConstructorParameters<typeof Socket>[0] & { readonly handle: object } = { handle };
  const socket = new Socket(options);
  // It may not like what it was given as a handle: then it has no requests to show.
  socket.on("error", () => {});
  socket.write(Buffer.from("x"));
  socket.destroy();
  if (typeof seen !== "object" || seen === null || !("oncomplete" in seen)) return undefined;
  if (typeof Reflect.get(seen, "getAsyncId") !== "function") return undefined;
  const made = seen.constructor;
  // The native class, and no object of ours: it is what `writeBuffer` takes.
  return made === Object ? undefined : (made as new () => WriteRequest);
}
