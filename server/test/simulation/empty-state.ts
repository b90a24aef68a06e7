/** A state without content: on a node that begins, and for a replay of a log. */
import { KeyStore } from "../../src/state/key-store.ts";
import { QueueStore } from "../../src/state/queue-store.ts";
import { ReplyStore } from "../../src/state/reply-store.ts";
import { RoomStore } from "../../src/state/room-store.ts";
import { StateMachine } from "../../src/state/state-machine.ts";

export function emptyState(appliedOffset: number, queues = new QueueStore({ hashSeed: 1 })): StateMachine {
  const keys = new KeyStore({ memoryBytesMax: 0, evictionPolicy: "none" });
  return new StateMachine(keys, queues, new RoomStore(), new ReplyStore({ hashSeed: 1 }), appliedOffset);
}
