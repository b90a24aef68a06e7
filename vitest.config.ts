import { defineConfig } from "vitest/config";

/** What a client can tell of the transports, which must be the same over both of them. */
const OVER_BOTH = [
  "server/test/conformance/*.test.ts",
  "server/test/integration/{http,websocket,event-stream,held,push,replication-endpoint}*.test.ts",
  "server/test/integration/messaging-event-stream.test.ts",
  "server/test/integration/replica.test.ts",
];

export default defineConfig({
  test: {
    // Two cores are the smallest machine the project supports; the tests must pass on it.
    maxWorkers: 2,
    testTimeout: 20_000,
    globalSetup: ["server/test/build.ts", "client-sdk/test/build.ts"],
    reporters: ["default", "json"],
    // Read by .ci/run, which counts what passed and failed from it.
    outputFile: { json: "node_modules/.cache/synap/test-report.json" },
    projects: [
      {
        extends: true,
        test: {
          name: "native",
          include: ["{server,client-sdk,benchmark-cli}/{src,test}/**/*.test.ts"],
          provide: { transport: "native" },
        },
      },
      { extends: true, test: { name: "portable", include: OVER_BOTH, provide: { transport: "portable" } } },
    ],
  },
});
