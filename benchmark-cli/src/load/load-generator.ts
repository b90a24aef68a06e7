/** The process that makes a load; see load.ts. Requests are drawn and encoded before the first one is sent. */
import { type Connection, openConnection } from "./connection.ts";
import { endWithReason } from "./failure-report.ts";
import type { Generated, GeneratorMessage, Load } from "./load.ts";
import { LoadTally } from "./load-tally.ts";
import { nap } from "./pace.ts";
import { seededRandom } from "./random.ts";
import { targetAddress } from "./target-address.ts";
import { checkReply, drawRequest, failuresOf } from "./workload.ts";

/** Distinct requests, sent again and again in turn; enough commands that their keys do not stay in the caches. */
const COMMANDS_DRAWN_MAX = 100_000;
/** Where there are few keys they are in the caches all the same, and so many commands of each are drawn. */
const COMMANDS_DRAWN_PER_KEY = 10;
const REQUESTS_DRAWN_MIN = 100;
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
    if (this.pending === OVERDUE_MAX)
      throw new Error("the server cannot keep up with this rate: ask for a lower --rate");
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

/** The lanes of a load, and the requests that they send in turn. */
class Traffic {
  readonly tally: LoadTally;
  readonly #load: Load;
  readonly #requests: readonly Buffer[];
  readonly #lanes: Lane[] = [];
  sent = 0;
  isDone = false;
  #answered = 0;
  /** How many are sent and answered in all; what the warm-up takes is known, and added, when it is over. */
  #requestsMax = Number.POSITIVE_INFINITY;
  #finish: () => void = () => undefined;
  #onAnswer: (lane: Lane) => void = () => undefined;

  constructor(load: Load, tally: LoadTally) {
    const { protocol, port, workload, seed } = load;
    this.tally = tally;
    this.#load = load;
    const random = seed === undefined ? Math.random : seededRandom(seed);
    const commands = Math.min(COMMANDS_DRAWN_MAX, workload.keys * COMMANDS_DRAWN_PER_KEY);
    const count = Math.max(REQUESTS_DRAWN_MIN, Math.ceil(commands / workload.batch));
    this.#requests = Array.from({ length: count }, () => drawRequest(protocol, port, workload, random));
  }

  async open(): Promise<void> {
    const { protocol, port, workload, connections, countsErrors = false } = this.#load;
    const check = (body: Buffer) => {
      if (!countsErrors) checkReply(protocol, body, workload.batch);
    };
    for (let i = 0; i < connections; i++) {
      const lane = new Lane(await openConnection(protocol, port));
      lane.connection.onFailure = (body) => this.tally.failed(failuresOf(protocol, body));
      lane.connection.onReply = () => {
        this.tally.add(performance.now() - lane.answered(check));
        this.#answered++;
        if (this.#answered === this.#requestsMax) this.#finish();
        else this.#onAnswer(lane);
      };
      this.#lanes.push(lane);
    }
  }

  begin(): void {
    if (this.#load.requestsPerSec === undefined) this.#closedLoop();
    else this.#openLoop(this.#load.requestsPerSec);
  }

  finished(): Promise<void> {
    const { requests, seconds = 1 } = this.#load;
    return new Promise((resolve) => {
      this.#finish = resolve;
      if (requests === undefined) setTimeout(resolve, seconds * 1_000);
      else this.#requestsMax = this.#answered + requests;
    });
  }

  /** What is still in flight is waited for, so that the server has counted all that was sent. */
  async close(): Promise<void> {
    while (this.#lanes.some((lane) => lane.pending > 0)) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const lane of this.#lanes) lane.connection.close();
  }

  #next(): Buffer {
    return this.#requests[this.sent++ % this.#requests.length];
  }

  #closedLoop(): void {
    const { inFlight = 1 } = this.#load;
    this.#onAnswer = (lane) => {
      if (this.isDone || this.sent >= this.#requestsMax) return;
      lane.send(this.#next(), performance.now());
    };
    for (let i = 0; i < inFlight; i++) for (const lane of this.#lanes) this.#onAnswer(lane);
  }

  #openLoop(requestsPerSec: number): void {
    const { protocol, pacing } = this.#load;
    const lanes = this.#lanes;
    // HTTP without pipelining: a request waits for an idle connection, and that time counts.
    const lanePendingMax = protocol === "http" ? 1 : Number.POSITIVE_INFINITY;
    const intervalMs = 1_000 / requestsPerSec;
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
        lane.send(this.#next(), dueMs);
      }
      for (const lane of lanes) lane.connection.uncork();
    };
    const pace = () => {
      if (this.isDone) return;
      sendDue();
      if (pacing === "nap") nap(firstMs + due * intervalMs - performance.now());
      if (pacing === "timer") setTimeout(pace, 1);
      else setImmediate(pace);
    };
    pace();
  }
}

async function generate(load: Load): Promise<Generated> {
  const tally = new LoadTally(load.workload.batch, (progress) => tell({ kind: "progress", progress }));
  const measuring = () => tell({ kind: "measuring" });
  const suitsAutocannon = load.protocol === "http" && load.requestsPerSec === undefined && !targetAddress().isSecure;
  if (load.autocannon === true && suitsAutocannon) {
    // Loading it takes longer than the rest of this process, and most loads need none of it.
    const { runAutocannon } = await import("./autocannon-load.ts");
    return await runAutocannon(load, tally, measuring);
  }
  const traffic = new Traffic(load, tally);
  await traffic.open();
  const { warmupSeconds = 0 } = load;
  if (warmupSeconds > 0) {
    traffic.begin();
    await new Promise((resolve) => setTimeout(resolve, warmupSeconds * 1_000));
  }
  measuring();
  const finished = traffic.finished();
  tally.begin();
  if (warmupSeconds === 0) traffic.begin();
  await finished;
  const counted = tally.end();
  traffic.isDone = true;
  await traffic.close();
  return { ...counted, commandsSent: traffic.sent * load.workload.batch };
}

function tell(message: GeneratorMessage): void {
  process.send?.(message);
}

endWithReason((message) => tell({ kind: "failed", message }));
process.once("message", async (load: Load) => {
  tell({ kind: "measured", generated: await generate(load) });
});
// Nobody is left to report to.
process.once("disconnect", () => process.exit());
