import { defineConfig } from "vitest/config";

/** What a client can tell of the transports, which must be the same over both of them. */
const OVER_BOTH = [
  "server/test/conformance/*.test.ts",
  "server/test/integration/{http,websocket,event-stream,held,push,replication-endpoint}*.test.ts",
  "server/test/integration/messaging-event-stream.test.ts",
  "server/test/integration/replica.test.ts",
];

const EVERYTHING = ["{server,client-sdk,benchmark-cli}/{src,test}/**/*.test.ts"];

/** uWebSockets.js has no binary for every Node: there the portable transport gets all of the tests. */
const isNativeHere = await import("uWebSockets.js").then(
  () => true,
  () => false,
);

export default defineConfig({
  test: {
    // Two cores are the smallest machine the project supports; the tests must pass on it.
    maxWorkers: 2,
    testTimeout: 20_000,
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
