import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{server,client-sdk,benchmark-cli}/{src,test}/**/*.test.ts"],
    // Two cores are the smallest machine the project supports; the tests must pass on it.
    maxWorkers: 2,
    testTimeout: 20_000,
    globalSetup: ["server/test/build.ts", "client-sdk/test/build.ts"],
    reporters: ["default", "json"],
    // Read by .ci/run, which counts what passed and failed from it.
    outputFile: { json: "node_modules/.cache/synap/test-report.json" },
  },
});
