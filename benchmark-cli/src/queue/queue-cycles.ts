/**
 * A process whose connections put a message, reserve one, delete it, and begin again; with several such cycles under way
 * on each connection. A message is reserved for each that was put, so nobody ever waits for one.
 */

import { serve } from "../load/client-process.ts";
import type { ClientSocket } from "../load/client-socket.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { sleep } from "../servers/processes.ts";
import { type QueueProtocol, queueDialect, type Step } from "./queue-dialects.ts";

export interface QueueCyclesConfig {
  readonly protocol: QueueProtocol;
  readonly port: number;
  readonly connections: number;
  /** Cycles of one connection at a time, each with one request under way. */
  readonly inFlight: number;
  readonly payloadBytes: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface QueueCycles {
  readonly cycles: number;
  readonly seconds: number;
}

serve<QueueCyclesConfig>(async (config, benchmark) => {
  const dialect = queueDialect(config.protocol, config.port, config.payloadBytes);
  const sockets: ClientSocket[] = [];
  for (let i = 0; i < config.connections; i++) sockets.push(await dialect.open(config.port));
  let cycles = 0;
  let underWay = 0;
  let isEnding = false;
  let ended: () => void = () => undefined;
  const allEnded = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const stepDone = (socket: ClientSocket, step: Step) => {
    if (step === "put") {
      dialect.reserve(socket);
    } else if (step === "delete") {
      cycles += 1;
      if (!isEnding) dialect.put(socket);
      else if (--underWay === 0) ended();
    }
  };
  for (const socket of sockets) {
    const done = (step: Step) => stepDone(socket, step);
    socket.onMessage = (bytes, start, end) => dialect.received(socket, bytes, start, end, done);
  }
  for (const socket of sockets) {
    for (let i = 0; i < config.inFlight; i++) {
      underWay += 1;
      dialect.put(socket);
    }
    socket.flush();
  }
  await sleep(config.warmupSeconds * 1_000);
  benchmark.tell("measuring");
  const cyclesBefore = cycles;
  const startMs = monotonicMs();
  await sleep(config.seconds * 1_000);
  const measured: QueueCycles = { cycles: cycles - cyclesBefore, seconds: (monotonicMs() - startMs) / 1_000 };
  benchmark.tell("measured", measured);
  isEnding = true;
  await allEnded;
  for (const socket of sockets) socket.close();
  benchmark.tell("done");
});
