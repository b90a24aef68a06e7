/**
 * Before a server that is there already is measured: what the scenario will ask of it is asked once, so that a token that is
 * not enough, or a port where nobody listens, is told in a sentence and not in the middle of a run. What is made for that is
 * removed again.
 */
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import type { Protocol } from "../load/connection.ts";
import { tryPerform } from "../load/requests.ts";
import { roomName } from "../rooms/room-dialects.ts";
import { askResp } from "../servers/running-server.ts";
import type { ServerAddress } from "../servers/server-address.ts";
import { refused, unreachable } from "../servers/server-requests.ts";
import { portOf, type Target } from "../servers/target.ts";
import { topicName } from "../topics/topic-plan.ts";

export interface Needs {
  /** What a scenario uses of a server. */
  readonly uses: readonly ("keys" | "queue" | "rooms" | "topics")[];
  /** What its clients speak, beside WebSockets. */
  readonly protocol: Protocol;
}

type Perform = (command: string, payload: object) => Promise<Record<string, unknown>>;

const KEY = "key:rehearsal";
const QUEUE = "benchmark-rehearsal";
const ROOM = `${roomName(0)}-rehearsal`;

interface Part {
  readonly steps: (perform: Perform) => Promise<void>;
  /** Removes what the steps have made. */
  readonly undo?: readonly [command: string, payload: object];
}

const PARTS: Readonly<Record<Needs["uses"][number], Part>> = {
  keys: {
    async steps(perform) {
      await perform("kv.set", { key: KEY, value: "" });
      await perform("kv.get", { key: KEY });
      await perform("kv.stats", {});
    },
    undo: ["kv.del", { key: KEY }],
  },
  queue: {
    async steps(perform) {
      await perform("queue.create", { name: QUEUE });
      await perform("queue.publish", { queue: QUEUE, payload: "" });
      const { message } = await perform("queue.consume", { queue: QUEUE });
      // Of the contract; it was published right before.
      const { id } = message as { readonly id: unknown };
      await perform("queue.ack", { queue: QUEUE, message_id: id });
      await perform("queue.stats", { queue: QUEUE });
      await perform("queue.subscribe", { queue: QUEUE });
    },
    undo: ["queue.delete", { queue: QUEUE }],
  },
  rooms: {
    async steps(perform) {
      await perform("stream.get_or_create", { room: ROOM });
      await perform("stream.publish", { room: ROOM, event: "rehearsal", data: "" });
      await perform("stream.subscribe", { room: ROOM });
    },
    undo: ["stream.delete", { room: ROOM }],
  },
  topics: {
    async steps(perform) {
      await perform("pubsub.publish", { topic: topicName(0), payload: "" });
      await perform("pubsub.subscribe", { topics: [topicName(0), "#.rehearsal"] });
    },
  },
};

/** @throws BenchmarkError if the server does not do it, in its words */
export async function rehearse(target: Target, { uses, protocol }: Needs): Promise<void> {
  const { address } = target;
  if (address === undefined) return;
  const port = portOf(target, protocol);
  if (address.speaks === "resp" && uses.every((part) => part === "keys")) {
    for (const words of [
      ["SET", KEY, ""],
      ["GET", KEY],
      ["DEL", KEY],
    ])
      await askResp(address, port, words);
    return;
  }
  const socket = await open(address, portOf(target, "websocket"));
  try {
    if (protocol === "resp") await askResp(address, port, ["PING"]);
    for (const part of uses) await tryPart(PARTS[part], socket, address);
  } finally {
    socket.close();
  }
}

async function tryPart({ steps, undo }: Part, socket: ClientSocket, address: ServerAddress): Promise<void> {
  const perform: Perform = async (command, payload) => {
    const { success, payload: result, error = "", code = "" } = await tryPerform(socket, command, payload);
    if (!success) throw refused(address, command, error, code);
    return result;
  };
  try {
    await steps(perform);
  } catch (error) {
    // Whether that is refused as well is not what has to be told.
    if (undo !== undefined) await tryPerform(socket, ...undo);
    throw error;
  }
  if (undo !== undefined) await perform(...undo);
}

async function open(address: ServerAddress, port: number): Promise<ClientSocket> {
  try {
    return await openWebSocket(port);
  } catch (error) {
    throw unreachable(address, error);
  }
}
