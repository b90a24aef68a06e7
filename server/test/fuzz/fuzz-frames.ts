/**
 * WebSocket frames broken at random, over real sockets. Two owners have connections with a token for names of their own, and a
 * neighbour asks for a key behind every burst of frames: it must be answered, and nobody be shown what is the other's. A
 * connection that a frame has ended is followed by a new one. Throws with the seed at the first thing found.
 */
import { once } from "node:events";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";
import { seededRandom } from "../engine.ts";
import { BINARY, FIN, frame, openRaw, PING, type RawPeer, TEXT } from "./frames.ts";
import { type Chance, mutated, pick } from "./mutations.ts";

const BURST = 40;
/**
 * Most frames of a burst are right, or few would come behind one that ends the connection; and half the bursts are, since with the
 * connection what was answered in the same read may be gone.
 */
const BROKEN_PART = 0.1;
const SECRETS = ["alpha-7f3a9c2e51", "bravo-d80b64e1f7"] as const;
/** What the token of each owner has to permit. */
export const OWNERS_ALLOW = [["kv:write:a:"], ["kv:write:b:"]] as const;

const packr = new Packr({ useRecords: false });

export interface FrameFuzzReport {
  readonly frames: number;
  /** Commands that were answered: frames that all end their connection find little. */
  readonly answers: number;
  readonly connections: number;
}

/** @param tokens of the two owners, as `OWNERS_ALLOW` has them. */
export async function fuzzFrames(
  url: string,
  tokens: readonly [string, string],
  seed: number,
  frames: number,
): Promise<FrameFuzzReport> {
  const random = seededRandom(seed);
  const neighbour = new WebSocket(`${url.replace("http", "ws")}/api/v1/ws`, {
    headers: { authorization: `Bearer ${tokens[0]}` },
  });
  await once(neighbour, "open");
  const whole = [wholeFrames(0), wholeFrames(1)];
  const peers: (RawPeer | undefined)[] = [undefined, undefined];
  let answers = 0;
  let connections = 0;
  try {
    for (let sent = 0; sent < frames; sent += BURST) {
      const owner = random() < 0.5 ? 0 : 1;
      let peer = peers[owner];
      if (peer === undefined || peer.isClosed) {
        if (peer !== undefined) answers += answersTo(peer, owner);
        peer = await openRaw(url, tokens[owner]);
        peers[owner] = peer;
        connections++;
      }
      peer.socket.write(burst(random, whole[owner]));
      await askNeighbour(neighbour);
      for (const [each, of] of peers.entries()) answers += of === undefined ? 0 : answersTo(of, each);
    }
  } catch (cause) {
    throw new Error(`seed ${seed}`, { cause });
  } finally {
    neighbour.terminate();
    for (const peer of peers) peer?.socket.destroy();
  }
  return { frames, answers, connections };
}

/** What an owner sends where nothing is broken: commands in both formats, in one frame and in two, and a ping. */
function wholeFrames(owner: number): Buffer[] {
  const key = `${"ab"[owner]}:${owner}`;
  const set = { command: "kv.set", payload: { key, value: SECRETS[owner] } };
  const get = { command: "kv.get", payload: { key } };
  const foreign = { command: "kv.get", payload: { key: `${"ab"[1 - owner]}:${1 - owner}` } };
  const text = Buffer.from(JSON.stringify(get));
  return [
    ...[set, get, foreign].map((command) => frame(FIN | TEXT, Buffer.from(JSON.stringify(command)))),
    ...[set, get, foreign].map((command) => frame(FIN | BINARY, packr.pack(command))),
    Buffer.concat([frame(TEXT, text.subarray(0, 10)), frame(FIN, text.subarray(10))]),
    frame(FIN | PING, Buffer.from("ping")),
  ];
}

function burst(random: Chance, whole: readonly Buffer[]): Buffer {
  const brokenPart = random() < 0.5 ? BROKEN_PART : 0;
  return Buffer.concat(
    Array.from({ length: BURST }, () => {
      const bytes = pick(random, whole);
      return random() < brokenPart ? mutated(random, bytes, whole) : bytes;
    }),
  );
}

/** Who is behind the burst in the loop has been served once all of that was read. */
async function askNeighbour(neighbour: WebSocket): Promise<void> {
  neighbour.send('{"command":"kv.exists","payload":{"key":"a:nobody"}}');
  const [answer] = (await once(neighbour, "message")) as [Buffer];
  if (answer.toString() !== '{"success":true,"payload":{"exists":false}}')
    throw new Error(`the neighbour got ${answer}`);
}

/** Counts the answers that have come, once none of them shows what is the other's. */
function answersTo(peer: RawPeer, owner: number): number {
  const { received } = peer;
  const foreign = SECRETS[1 - owner];
  if (received.includes(foreign)) throw new Error(`owner ${owner} was shown what is not its own`);
  // What may be the beginning of it stays.
  peer.received = received.subarray(Math.max(0, received.length - foreign.length));
  return received.toString("latin1").split("success").length - 1;
}
