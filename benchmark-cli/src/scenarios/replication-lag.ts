/**
 * A process that measures how late replicas are: it publishes numbered events on the master at fixed instants, and is
 * subscribed to their room on every replica. From the master's reply, which says that the event is durable there, to the
 * event's push from a replica is the lag as a client sees it.
 *
 *     master    publish ----- reply
 *     replica                       '-- lag --' push
 */
import { unpack } from "msgpackr";
import { serve } from "../load/client-process.ts";
import { openWebSocket } from "../load/client-socket.ts";
import { type Latency, type LatencyCounts, LatencyHistogram } from "../load/latency-histogram.ts";
import { monotonicMs } from "../load/monotonic-clock.ts";
import { pace } from "../load/pace.ts";
import { frameFor, perform } from "../load/requests.ts";
import { sleep } from "../servers/processes.ts";

export interface ReplicationLagConfig {
  readonly masterPort: number;
  readonly replicaPorts: readonly number[];
  readonly eventsPerSec: number;
  readonly seconds: number;
}

/** Comes with `done`. */
export interface ReplicationLag {
  /** From the master's reply; none where the push was first. */
  readonly lag: Latency;
  readonly lagCounts: LatencyCounts;
  /** From the instant the event was due. */
  readonly endToEnd: Latency;
  readonly events: number;
}

const ROOM = "replication-lag";
/** What has not come by then is lost. */
const LATE_MS_MAX = 30_000;

serve<ReplicationLagConfig>(async ({ masterPort, replicaPorts, eventsPerSec, seconds }, benchmark) => {
  const count = Math.round(eventsPerSec * seconds);
  const due = new Float64Array(count);
  const replied = new Float64Array(count);
  const came = replicaPorts.map(() => new Float64Array(count));
  const publisher = await openWebSocket(masterPort);
  await perform(publisher, "stream.get_or_create", { room: ROOM });
  for (const [i, port] of replicaPorts.entries()) {
    const socket = await openWebSocket(port);
    await subscribed(() => perform(socket, "stream.subscribe", { room: ROOM }));
    socket.onMessage = (bytes, start, end) => {
      // The contract's push of an event.
      const { type, data } = unpack(bytes.subarray(start, end)) as { type: string; data: number };
      if (type === "event") came[i][data] = monotonicMs();
    };
  }
  let replies = 0;
  publisher.onMessage = (bytes, start, end) => {
    const { success } = unpack(bytes.subarray(start, end)) as { success: boolean };
    if (!success) throw new Error(bytes.toString("latin1", start, end));
    replied[replies++] = monotonicMs();
  };
  benchmark.tell("ready");
  await benchmark.until("go");
  await pace(
    eventsPerSec,
    count,
    (index, dueMs) => {
      due[index] = dueMs;
      publisher.append(frameFor({ command: "stream.publish", payload: { room: ROOM, event: "lag", data: index } }));
    },
    () => publisher.flush(),
  );
  const deadlineMs = monotonicMs() + LATE_MS_MAX;
  while (replies < count || came.some((instants) => instants.includes(0))) {
    if (monotonicMs() > deadlineMs) throw new Error("not every event has come from every replica");
    await sleep(5);
  }
  const lags = new LatencyHistogram();
  const endToEnd = new LatencyHistogram();
  for (const instants of came) {
    for (const [event, instant] of instants.entries()) {
      lags.add(instant - replied[event]);
      endToEnd.add(instant - due[event]);
    }
  }
  const done: ReplicationLag = {
    lag: lags.latency(),
    lagCounts: lags.export(),
    endToEnd: endToEnd.latency(),
    events: count,
  };
  benchmark.tell("done", done);
});

/** The room may not have come to the replica yet. */
async function subscribed(subscribe: () => Promise<unknown>): Promise<void> {
  for (const deadlineMs = monotonicMs() + LATE_MS_MAX; ; await sleep(5)) {
    try {
      await subscribe();
      return;
    } catch (error) {
      if (monotonicMs() > deadlineMs) throw error;
    }
  }
}
