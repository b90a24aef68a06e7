/** A process that publishes numbered messages to one queue; see scenario-queue.ts. */

import { serve } from "../load/client-process.ts";
import { type ClientSocket, openWebSocket } from "../load/client-socket.ts";
import { fieldAt, fieldName } from "../load/message-pack-fields.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { DIGITS, frameFor, numberedText, writeDigits } from "../load/requests.ts";
import { type PriorityDistribution, priorityOf } from "./message-plan.ts";

export interface QueuePublisherConfig {
  readonly port: number;
  readonly queue: string;
  readonly messages: number;
  readonly payloadBytes: number;
  readonly distribution: PriorityDistribution;
  /** 1 publishes with queue.publish, more with queue.publish_batch. */
  readonly messagesPerCommand: number;
  readonly inFlight: number;
}

export interface QueuePublished {
  readonly startMs: number;
  readonly endMs: number;
}

const PRIORITIES = 10;
const SUCCESS = fieldName("success");
const TRUE = 0xc3;

serve<QueuePublisherConfig>(async (config, benchmark) => {
  // One connection, because publish order is then the order of the requests.
  const socket = await openWebSocket(config.port);
  const publish = config.messagesPerCommand === 1 ? singles(socket, config) : batches(socket, config);
  benchmark.tell("ready");
  await benchmark.until("go");
  const startMs = monotonicMs();
  await new Promise<void>((resolve) => {
    const commands = Math.ceil(config.messages / config.messagesPerCommand);
    let sent = 0;
    let answered = 0;
    socket.onMessage = (bytes, start, end) => {
      if (bytes[fieldAt(bytes, start, SUCCESS)] !== TRUE) throw new Error(bytes.toString("latin1", start, end));
      answered += 1;
      if (sent < commands) publish(sent++);
      if (answered === commands) resolve();
    };
    while (sent < Math.min(config.inFlight, commands)) publish(sent++);
    socket.flush();
  });
  const published: QueuePublished = { startMs, endMs: monotonicMs() };
  benchmark.tell("done", published);
});

/** Publishes the message of a number: a frame for each priority in which only the digits change. */
function singles(socket: ClientSocket, config: QueuePublisherConfig): (message: number) => void {
  const { queue, payloadBytes, distribution } = config;
  const frames = Array.from({ length: PRIORITIES }, (_, priority) =>
    frameFor({ command: "queue.publish", payload: { queue, priority, payload: numberedText(payloadBytes) } }),
  );
  return (message) => {
    const frame = frames[priorityOf(message, distribution)];
    writeDigits(frame, frame.length - payloadBytes, DIGITS, message);
    socket.append(frame);
  };
}

function batches(socket: ClientSocket, config: QueuePublisherConfig): (batch: number) => void {
  const { queue, payloadBytes, distribution, messagesPerCommand } = config;
  const rest = "v".repeat(payloadBytes - DIGITS);
  return (batch) => {
    const first = batch * messagesPerCommand;
    const count = Math.min(messagesPerCommand, config.messages - first);
    const messages = Array.from({ length: count }, (_, i) => ({
      payload: String(first + i).padStart(DIGITS, "0") + rest,
      priority: priorityOf(first + i, distribution),
    }));
    socket.append(frameFor({ command: "queue.publish_batch", payload: { queue, messages } }));
  };
}
