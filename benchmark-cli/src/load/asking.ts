/**
 * How a command is asked for over each protocol, by clients that make their requests once and look at no more of a reply than
 * they need.
 *
 *     websocket   frames of MessagePack   as many requests without a reply as one likes
 *     http        bodies of JSON          one at a time, as clients of HTTP do
 *     resp        lists of words          as many as one likes
 */
import { unpack } from "msgpackr";
import { ask, ClientSocket, openWebSocket } from "./client-socket.ts";
import type { Protocol } from "./connection.ts";
import { httpReplies } from "./http-replies.ts";
import { fieldAt, fieldName, numberAt } from "./message-pack-fields.ts";
import { checkLogin, loginRequest } from "./resp-login.ts";
import { respRefusal, respReplies, respValue } from "./resp-replies.ts";

export interface Asking {
  open(port: number): Promise<ClientSocket>;
  /** Requests that one connection may have without a reply. */
  readonly pendingMax: number;
  /**
   * Whether this is a reply; a push is none.
   * @throws if it says that the server refused
   */
  isReply(bytes: Buffer, start: number, end: number): boolean;
  /** Reads one field of a reply's payload that is a number; RESP answers nothing but that number. */
  numberOf(field: string): (bytes: Buffer, start: number, end: number) => number;
}

const SUCCESS = fieldName("success");
const PAYLOAD = fieldName("payload");
const TRUE = 0xc3;

/** The contract's envelope of a failure (section 2). */
interface Failure {
  readonly error?: string;
  readonly code?: string;
}

function refusal({ error, code }: Failure): Error {
  return new Error(`the server refused a command: ${error} (${code})`);
}

const webSocket: Asking = {
  open: (port) => openWebSocket(port),
  pendingMax: Number.POSITIVE_INFINITY,
  isReply(bytes, start, end) {
    const success = fieldAt(bytes, start, SUCCESS);
    if (success < 0) return false;
    // What has no success in it is a failure by the contract.
    if (bytes[success] !== TRUE) throw refusal(unpack(bytes.subarray(start, end)) as Failure);
    return true;
  },
  numberOf(field) {
    const name = fieldName(field);
    return (bytes, start) => numberAt(bytes, fieldAt(bytes, fieldAt(bytes, start, PAYLOAD), name));
  },
};

const JSON_SUCCESS = Buffer.from('{"success":true');

const http: Asking = {
  open: (port) => ClientSocket.open(port, httpReplies),
  pendingMax: 1,
  isReply(bytes, start, end) {
    if (bytes.compare(JSON_SUCCESS, 0, JSON_SUCCESS.length, start, start + JSON_SUCCESS.length) === 0) return true;
    // As above.
    throw refusal(JSON.parse(bytes.toString("utf8", start, end)) as Failure);
  },
  numberOf(field) {
    const name = Buffer.from(`"${field}":`);
    return (bytes, start, end) => {
      const at = bytes.subarray(start, end).indexOf(name);
      return at < 0 ? Number.NaN : Number.parseInt(bytes.toString("latin1", start + at + name.length, end), 10);
    };
  },
};

const resp: Asking = {
  async open(port) {
    const socket = await ClientSocket.open(port, respReplies);
    const login = loginRequest();
    if (login === undefined) return socket;
    try {
      checkLogin((await ask(socket, login)).toString("latin1"));
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  },
  pendingMax: Number.POSITIVE_INFINITY,
  isReply(bytes, start, end) {
    const refused = respRefusal(bytes, start, end);
    if (refused !== undefined) throw new Error(`the server refused a command: ${refused}`);
    return true;
  },
  numberOf: () => (bytes, start) => Number(respValue(bytes, start)),
};

const ASKING: Readonly<Record<Protocol, Asking>> = { websocket: webSocket, http, resp };

export function askingOf(protocol: Protocol): Asking {
  return ASKING[protocol];
}
