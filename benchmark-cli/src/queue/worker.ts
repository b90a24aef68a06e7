/** One connection that takes messages and acknowledges them, and what it tells the crew that it is part of. */
import type { ClientSocket } from "../load/client-socket.ts";
import type { Command } from "../load/workload.ts";
import type { DeliveryLedger } from "./delivery-ledger.ts";

export interface Worker {
  readonly socket: ClientSocket;
  /** Asks once more. */
  consume(): void;
  /** From now on messages are pushed. */
  subscribe(): Promise<void>;
  /** What was taken and waits for others to be acknowledged with. */
  acknowledgeCollected(): void;
}

export interface WorkersCrew {
  readonly config: Working;
  readonly ledger: DeliveryLedger;
  /** @param instantAt where the instant stands at which the message was due to be published */
  delivered(bytes: Buffer, instantAt: number): void;
  /** A reply has brought so many messages. */
  consumed(worker: Worker, count: number): void;
  acknowledged(count: number): void;
  acknowledgeAll(): void;
}

/** What all workers of a queue do alike. */
export interface Working {
  readonly queue: string;
  readonly messages: number;
  readonly ackDeadlineSecs: number;
  /** Whether messages are asked for or pushed. */
  readonly mode: "consume" | "subscribe";
  /** Messages asked for and acknowledged with one command. */
  readonly messagesPerCommand: number;
  /** `consume`: requests of a worker without a reply; `subscribe`: messages that a worker may have unacknowledged. */
  readonly inFlight: number;
}

export function consumeCommand({ queue, messagesPerCommand, ackDeadlineSecs }: Working): Command {
  const count = messagesPerCommand === 1 ? {} : { count: messagesPerCommand };
  return { command: "queue.consume", payload: { queue, ...count, ack_deadline: ackDeadlineSecs } };
}
