/**
 * A server that starts again within its process: a replica that was sent a snapshot has to begin from that, by the same way
 * by which every start finds its data. Ports stay as they were, and connections are closed with the reason that they are at
 * the end of a process.
 */
import type { Config } from "./config/schema.ts";
import { freePort } from "./transports/free-port.ts";

export interface RunningServer {
  /** Such as `http://127.0.0.1:15500`, with the port it really got. */
  readonly url: string;
  /** Such as `redis://127.0.0.1:6379`; `undefined` where there is no RESP. */
  readonly respUrl: string | undefined;
  /** Takes no new work, finishes what is in flight within the grace time, and closes every connection with a reason. */
  stop(): Promise<void>;
}

export interface StartedServer extends RunningServer {
  readonly port: number;
  /** Undefined where there is no RESP. */
  readonly respPort: number | undefined;
}

/**
 * @param start starts it once; `restart` may be called from then on, and counts once.
 * @param onFailure is told why it could not be started again: the process has to end.
 */
export async function startRestarting(
  config: Config,
  start: (config: Config, restart: () => void) => Promise<StartedServer>,
  onFailure: (error: unknown) => void,
): Promise<RunningServer> {
  let isStopping = false;
  let running: Promise<StartedServer>;
  const startAgain = async (): Promise<StartedServer> => {
    const before = await running;
    await before.stop();
    // The ports that it has, so that it gets them again.
    return isStopping ? before : begin(withPorts(config, before.port, before.respPort ?? 0));
  };
  const begin = (present: Config): Promise<StartedServer> => {
    let isAsked = false;
    const started = start(present, () => {
      if (isAsked) return;
      isAsked = true;
      running = startAgain();
      running.catch(onFailure);
    });
    return started.then(stoppedOnce);
  };
  const mayRestart = config.replication.role === "replica";
  running = begin(mayRestart && config.server.port === 0 ? await withFreePorts(config) : config);
  const { url, respUrl } = await running;
  return {
    url,
    respUrl,
    async stop() {
      isStopping = true;
      // Where it is starting again, that is waited for.
      await (await running).stop();
    },
  };
}

/** It may be asked to by two. */
function stoppedOnce(server: StartedServer): StartedServer {
  let stopped: Promise<void> | undefined;
  return {
    ...server,
    stop() {
      stopped ??= server.stop();
      return stopped;
    },
  };
}

/** In place of any port, one that it can have again; `auto` is any for RESP too, where it is for HTTP. */
async function withFreePorts(config: Config): Promise<Config> {
  const { host } = config.server;
  const port = await freePort(host);
  let { respPort } = config.protocol;
  if (respPort === "auto") {
    // The system may give the same one again; 0 is for none.
    do respPort = await freePort(host);
    while (respPort === port && port !== 0);
  }
  return withPorts(config, port, respPort);
}

function withPorts(config: Config, port: number, respPort: Config["protocol"]["respPort"]): Config {
  return Object.freeze({
    ...config,
    server: Object.freeze({ ...config.server, port }),
    protocol: Object.freeze({ ...config.protocol, respPort }),
  });
}
