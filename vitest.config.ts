import { defineConfig } from "vitest/config";
import { soaked } from "./server/test/soak.ts";

/** What a client can tell of the transports, which must be the same over both of them. */
const OVER_BOTH = [
  "server/test/conformance/*.test.ts",
  "server/test/integration/{http,websocket,event-stream,held,push,replication-endpoint}*.test.ts",
  "server/test/integration/messaging-event-stream.test.ts",
  "server/test/integration/replica.test.ts",
  "server/test/access/{protocols,tls,http-smuggling,websocket-frames,stranger-memory}.test.ts",
];

const EVERYTHING = ["{server,client-sdk,benchmark-cli}/{src,test}/**/*.test.ts"];

/**
 * uWebSockets.js has no binary for every Node: there the portable transport gets all of the tests. Where it is to have one, that
 * it does not load is a failure, and no reason to test less.
 */
const HAS_BINARY = /^v2[02]\./.test(process.version) && ["linux", "darwin", "win32"].includes(process.platform);
const isNativeHere = await import("uWebSockets.js").then(
  () => true,
  (error: unknown) => {
    if (HAS_BINARY && process.env.SYNAP_TEST_PORTABLE !== "1") {
      throw new Error(
        "uWebSockets.js does not load; with SYNAP_TEST_PORTABLE=1 only the portable transport is tested",
        {
          cause: error,
        },
      );
    }
    return false;
  },
);

/**
 * Files with a process of their own. A process costs 0.4 s, most of it for loading the server anew, so the others share a few: no
 * module of ours holds anything that one file could leave to the next, and what tests replace in the process is put back even
 * where they fail. Of these it is not so, or the time would be lost again:
 *
 *     state, structures, ...   make thousands of stores. The garbage collector looks at all of a process for each few of them, which
 *                              takes long where other files have left something
 *     http-abuse               measures the memory of its process
 *     cli                      sets the environment that its clients inherit
 */
const ALONE = [
  "server/src/state/{state-snapshot,key-store,room-store}*.test.ts",
  "server/src/structures/{page-heap,slab-allocator}.test.ts",
  "server/src/oplog/{snapshots,log-file-reader}.test.ts",
  "server/src/replication/replication{,-random}.test.ts",
  "server/src/fanout/{topics,room-feeds-properties}.test.ts",
  "server/src/commands/{planner,execute}.test.ts",
  "server/test/simulation/*.test.ts",
  "benchmark-cli/src/cli/*.test.ts",
];
const ALONE_OVER_BOTH = ["server/test/integration/http-abuse.test.ts"];

export default defineConfig({
  test: {
    // Two cores are the smallest machine the project supports; the tests must pass on it. Many of them wait for a while: with
    // three at a time the cores do.
    maxWorkers: 4,
    // Not inherited by the projects, of which each would run it again.
    globalSetup: ["server/test/build.ts"],
    reporters: ["default", "json"],
    // Read by .ci/run, which counts what passed and failed from it.
    outputFile: { json: "node_modules/.cache/synap/test-report.json" },
    projects: isNativeHere
      ? [
          ...projects("native", EVERYTHING, [...ALONE, ...ALONE_OVER_BOTH]),
          ...projects("portable", OVER_BOTH, ALONE_OVER_BOTH),
        ]
      : projects("portable", EVERYTHING, [...ALONE, ...ALONE_OVER_BOTH]),
  },
});

/** The tests of a transport, as `--project 'native*'` names them. */
function projects(transport: "native" | "portable", all: string[], alone: string[]) {
  const shared = {
    name: transport,
    include: all,
    exclude: alone,
    isolate: false,
    provide: { transport },
    testTimeout: soaked(20_000),
    // Servers and replicas are started in them, on a machine that may be busy.
    hookTimeout: 60_000,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
  };
  return [
    { test: shared },
    { test: { ...shared, name: `${transport}-alone`, include: alone, exclude: [], isolate: true } },
  ];
}
