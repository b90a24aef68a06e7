/** The process that makes a load; see load.ts. Requests are drawn and encoded before the first one is sent. */
import { type Connection, openConnection } from "./connection.ts";
import type { Generated, GeneratorMessage, Load } from "./load.ts";
import { Samples } from "./samples.ts";
import { checkReply, drawRequest } from "./workload.ts";

/** Distinct requests, sent again and again in turn; enough commands that their keys do not stay in the caches. */
const COMMANDS_DRAWN = 100_000;
const REQUESTS_DRAWN_MIN = 1_000;
/** Every so many replies of a connection, one is decoded and checked. */
const CHECK_EVERY = 1_024;
/** How far a connection may fall behind its replies in an open loop before the run is called overloaded. */
const OVERDUE_MAX = 1 << 16;

/** A connection with the instants its requests without a reply were due. */
class Lane {
  readonly connection: Connection;
  readonly #due = new Float64Array(OVERDUE_MAX);
  #head = 0;
  #tail = 0;
  #untilCheck = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  get pending(): number {
    return this.#tail - this.#head;
  }

  send(request: Buffer, dueMs: number): void {
    if (this.pending === OVERDUE_MAX) throw new Error("the server cannot keep up with this rate");
    this.#due[this.#tail++ % OVERDUE_MAX] = dueMs;
    this.connection.send(request);
  }

  /** Answers when the request of the reply at hand was due. */
  answered(check: (body: Buffer) => void): number {
    if (this.#untilCheck-- === 0) {
      this.#untilCheck = CHECK_EVERY;
      this.connection.inspectNext = check;
    }
    return this.#due[this.#head++ % OVERDUE_MAX];
  }
}

async function generate(load: Load): Promise<Generated> {
  const { protocol, port, workload, connections, warmupSeconds = 0 } = load;
  const requestCount = Math.max(REQUESTS_DRAWN_MIN, Math.ceil(COMMANDS_DRAWN / workload.batch));
  const requests = Array.from({ length: requestCount }, () => drawRequest(protocol, port, workload));
  const lanes: Lane[] = [];
  for (let i = 0; i < connections; i++) lanes.push(new Lane(await openConnection(protocol, port)));

  const samples = new Samples();
  const check = (body: Buffer) => checkReply(protocol, body, workload.batch);
  let sent = 0;
  let answered = 0;
  let done = false;
  const nextRequest = () => requests[sent++ % requestCount];

  /** Called at each reply after it was counted. */
  let onAnswer: (lane: Lane) => void = () => undefined;
  let finish: () => void = () => undefined;
  for (const lane of lanes) {
    lane.connection.onReply = () => {
      samples.add(performance.now() - lane.answered(check));
      answered++;
      if (load.requests !== undefined && answered === load.requests) finish();
      else onAnswer(lane);
    };
  }

  const { requestsPerSec } = load;
  const begin = requestsPerSec === undefined ? closedLoop : openLoop;

  function closedLoop(): void {
    onAnswer = (lane) => {
      if (done || (load.requests !== undefined && sent >= load.requests)) return;
      lane.send(nextRequest(), performance.now());
    };
    for (let i = 0; i < (load.inFlight ?? 1); i++) {
      for (const lane of lanes) onAnswer(lane);
    }
  }

  function openLoop(): void {
    // HTTP without pipelining: a request waits for an idle connection, and that time counts.
    const lanePendingMax = protocol === "http" ? 1 : Number.POSITIVE_INFINITY;
    const intervalMs = 1_000 / (requestsPerSec ?? 1);
    const firstMs = performance.now();
    let turn = 0;
    let due = 0;
    const idleLane = (): Lane | undefined => {
      for (let i = 0; i < lanes.length; i++) {
        const lane = lanes[turn++ % lanes.length];
        if (lane.pending < lanePendingMax) return lane;
      }
      return undefined;
    };
    const sendDue = () => {
      const nowMs = performance.now();
      for (const lane of lanes) lane.connection.cork();
      for (let dueMs = firstMs + due * intervalMs; dueMs <= nowMs; dueMs = firstMs + ++due * intervalMs) {
        const lane = idleLane();
        if (lane === undefined) break;
        lane.send(nextRequest(), dueMs);
      }
      for (const lane of lanes) lane.connection.uncork();
    };
    const pace = () => {
      if (done) return;
      sendDue();
      if (load.pacing === "timer") setTimeout(pace, 1);
      else setImmediate(pace);
    };
    pace();
  }

  const warmUp = warmupSeconds > 0;
  if (warmUp) {
    begin();
    await new Promise((resolve) => setTimeout(resolve, warmupSeconds * 1_000));
  }
  samples.clear();
  tell({ kind: "measuring" });
  const answeredBefore = answered;
  const startMs = performance.now();
  const cpuStart = process.cpuUsage();
  if (!warmUp) begin();
  await new Promise<void>((resolve) => {
    finish = resolve;
    if (load.requests === undefined) setTimeout(resolve, (load.seconds ?? 1) * 1_000);
  });
  const seconds = (performance.now() - startMs) / 1_000;
  const cpu = process.cpuUsage(cpuStart);
  done = true;
  const measured = answered - answeredBefore;
  const latency = samples.latency();
  // What is still in flight is waited for, so that the server has counted all that was sent.
  while (lanes.some((lane) => lane.pending > 0)) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const lane of lanes) lane.connection.close();
  return {
    seconds,
    requests: measured,
    commands: measured * workload.batch,
    commandsSent: sent * workload.batch,
    clientCpuSecs: (cpu.user + cpu.system) / 1e6,
    latency,
  };
}

function tell(message: GeneratorMessage): void {
  process.send?.(message);
}

process.once("message", async (load: Load) => {
  tell({ kind: "measured", generated: await generate(load) });
});
// Nobody is left to report to.
process.once("disconnect", () => process.exit());
