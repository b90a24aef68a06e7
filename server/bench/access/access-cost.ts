/**
 * What tokens cost on the path of a command: the same bursts through the dispatchers of RESP and of WebSocket messages, from a
 * caller that nobody looks at and from one whose token permits a prefix; then what a request over HTTP pays to be known.
 *
 *     npm run access-cost -w server
 *
 * The two take turns, a slice of some milliseconds each, so that both meet the same machine. Shown is the slice that a tenth of the
 * slices were faster than: what others do on the machine can only make a slice slower.
 */
import { performance } from "node:perf_hooks";
import { Packr } from "msgpackr";
import { Grant } from "../../src/access/grant.ts";
import { grantOf } from "../../src/access/request-access.ts";
import { makeToken } from "../../src/access/token.ts";
import { Connection, Fixture } from "../../test/dispatcher-fixture.ts";
import { requestBytes } from "../../test/protocol/differential/raw-connection.ts";
import { respDispatcher, respPeer } from "../../test/resp-fixture.ts";

const KEYS = 1000;
const BURST = 16;
const SLICES = 400;
const SLICE_BURSTS = 200;

const fixture = new Fixture();
const { engine, clock, dispatcher } = fixture;
const permissions = [
  { subsystem: "kv", level: "read", prefix: "shared:" },
  { subsystem: "kv", level: "write", prefix: "app:" },
] as const;
const limited = new Grant("app", permissions);
for (let i = 0; i < KEYS; i++) fixture.run("kv.set", { key: `app:${i}`, value: "x".repeat(100) });

const resp = respDispatcher(fixture, {
  clock: { nowMs: () => clock.nowMs(), monotonicMs: () => performance.now() },
});

const numbers = Array.from({ length: BURST }, (_, i) => (i * 61) % KEYS);
const burstOf = (request: (i: number) => string[]) => Buffer.concat(numbers.map((i) => requestBytes(request(i))));
const packr = new Packr({ useRecords: false });
const batch = packr.pack({
  type: "batch",
  commands: numbers.map((i) => ({ command: "kv.get", payload: { key: `app:${i}` } })),
});

const clients = [resp.connect(1, respPeer()), resp.connect(2, respPeer())];
clients[1].granted(limited);
const sockets = [new Connection("websocket"), new Connection("websocket")];
sockets[1].grant = limited;

const gets = burstOf((i) => ["GET", `app:${i}`]);
const sets = burstOf((i) => ["SET", `app:${i}`, "x".repeat(100)]);
const CASES: readonly (readonly [string, (side: 0 | 1) => void])[] = [
  ["RESP GET, 16 in a burst", (side) => void resp.handle(clients[side], gets, 0, gets.length)],
  ["RESP SET, 16 in a burst", (side) => void resp.handle(clients[side], sets, 0, sets.length)],
  ["kv.get, 16 in a MessagePack batch", (side) => void dispatcher.handle(batch, "msgpack", "msgpack", sockets[side])],
];

for (const [name, run] of CASES) {
  const sliceNs: [number[], number[]] = [[], []];
  for (let slice = 0; slice < SLICES; slice++) {
    // Who begins changes from pair to pair.
    for (const side of slice % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const startedMs = performance.now();
      for (let i = 0; i < SLICE_BURSTS; i++) run(side);
      if (slice >= SLICES / 4) sliceNs[side].push(((performance.now() - startedMs) * 1e6) / (SLICE_BURSTS * BURST));
    }
  }
  const [open, checked] = sliceNs.map((slices) => slices.sort((a, b) => a - b)[Math.floor(slices.length / 10)]);
  const percent = (checked / open - 1) * 100;
  console.log(`${name}: ${open.toFixed(0)} ns open, ${checked.toFixed(0)} ns with a token, ${percent.toFixed(1)} %`);
}

const { access } = engine;
const made = makeToken({ name: "app", allow: ["kv:write:app:"], expiresAtMs: Number.POSITIVE_INFINITY }, 0);
if (typeof made === "string") throw new Error(made);
access.load([made.record]);
const peer = { address: "127.0.0.1", protocol: "http" };
const LOOKUPS = 1_000_000;
/** The header is a new string each time, as it is when it comes from a socket. */
function lookupNs(authorization: Buffer, from: { readonly address: string; readonly protocol: string }): number {
  const startedMs = performance.now();
  for (let i = 0; i < LOOKUPS; i++)
    grantOf(access, { authorization: authorization.toString("latin1"), apiKey: "", query: "" }, from);
  return ((performance.now() - startedMs) * 1e6) / LOOKUPS;
}
const right = Buffer.from(`Bearer ${made.text}`);
lookupNs(right, peer);
console.log(`HTTP, to know a token that is in use: ${lookupNs(right, peer).toFixed(0)} ns a request`);

/** Wrong ones, by how much of them is right: an address each, so that none is turned away unlooked. */
const wrong = (rightBytes: number) => {
  const startedMs = performance.now();
  const count = 100_000;
  for (let i = 0; i < count; i++) {
    const text = made.text.slice(0, rightBytes) + String(i).padStart(made.text.length - rightBytes, "x");
    access.authenticate(text, undefined, { address: String(i % 90_000), protocol: "http" });
  }
  return ((performance.now() - startedMs) * 1e6) / count;
};
wrong(0);
for (const rightBytes of [0, 20, 40, 0, 20, 40]) {
  console.log(
    `a wrong token of which ${rightBytes} of ${made.text.length} letters are right: ${wrong(rightBytes).toFixed(0)} ns`,
  );
}
