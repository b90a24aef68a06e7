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

export default defineConfig({
  test: {
    // Two cores are the smallest machine the project supports; the tests must pass on it. Many of them wait for a while.
    maxWorkers: 3,
    testTimeout: 20_000 * soaked(1),
    // Servers and replicas are started in them, on a machine that may be busy.
    hookTimeout: 60_000,
    globalSetup: ["server/test/build.ts", "client-sdk/test/build.ts"],
    reporters: ["default", "json"],
    // Read by .ci/run, which counts what passed and failed from it.
    outputFile: { json: "node_modules/.cache/synap/test-report.json" },
    projects: isNativeHere
      ? [project("native", EVERYTHING), project("portable", OVER_BOTH)]
      : [project("portable", EVERYTHING)],
  },
});

function project(transport: "native" | "portable", include: string[]) {
  return { extends: true as const, test: { name: transport, include, provide: { transport } } };
}
