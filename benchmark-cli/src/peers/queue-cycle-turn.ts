/** One turn of a comparison of queues: publish, consume and acknowledge, again and again. */
import { ClientProcess, CpuWatch } from "../load/client-process.ts";
import type { QueueCycles, QueueCyclesConfig } from "../queue/queue-cycles.ts";
import type { QueueProtocol } from "../queue/queue-dialects.ts";
import type { Readable } from "../servers/processes.ts";
import type { TurnResult } from "./comparison.ts";
import { type PeerOptions, WARMUP_SECS } from "./peer-options.ts";

interface QueueServer {
  readonly child: Readable | undefined;
  /** Whose CPU time counts, where it is not that of the child itself. */
  readonly worker?: Readable;
  readonly port: number;
}

export async function queueCycleTurn(
  protocol: QueueProtocol,
  inFlight: number,
  { connections, payloadSize: payloadBytes, duration: seconds }: PeerOptions,
  { child, worker, port }: QueueServer,
): Promise<TurnResult> {
  const config: QueueCyclesConfig = {
    ...{ protocol, port, connections, inFlight, payloadBytes, seconds },
    warmupSeconds: WARMUP_SECS,
  };
  const client = new ClientProcess(new URL("../queue/queue-cycles.ts", import.meta.url), config);
  await client.until("measuring");
  const cpu = new CpuWatch(worker ?? child, [client]);
  const measured = await client.until<QueueCycles>("measured");
  const turn: TurnResult = {
    perSec: measured.cycles / measured.seconds,
    perCpuSec: measured.cycles / cpu.serverSecs,
    cpu: cpu.cores(measured.seconds),
  };
  await client.until("done");
  await client.stop();
  return turn;
}
