import { configDefaults, defineConfig } from "vitest/config";

/** What a client can tell of the transports, which must be the same over both of them. */
const OVER_BOTH = [
  "server/test/conformance/*.test.ts",
  "server/test/integration/{http,websocket,event-stream,held,push,replication-endpoint}*.test.ts",
  "server/test/integration/messaging-event-stream.test.ts",
  "server/test/integration/replica.test.ts",
  "server/test/access/{protocols,tls,http-smuggling,websocket-frames}.test.ts",
];

/**
 * The tests beside the code that they test: many small files, for which a process and the modules each of its own cost more than
 * what they do. What they share must not keep anything of them.
 */
const BESIDE_THE_CODE = ["{server,client-sdk}/src/**/*.test.ts"];

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
    // Two cores are the smallest machine the project supports; the tests must pass on it.
    maxWorkers: 2,
    testTimeout: 20_000,
    globalSetup: ["server/test/build.ts", "client-sdk/test/build.ts"],
    reporters: ["default", "json"],
    // Read by .ci/run, which counts what passed and failed from it.
    outputFile: { json: "node_modules/.cache/synap/test-report.json" },
    projects: isNativeHere ? [...everything("native"), project("portable", OVER_BOTH)] : everything("portable"),
  },
});

type Transport = "native" | "portable";

function everything(transport: Transport) {
  const { extends: extended, test } = project(transport, EVERYTHING);
  return [
    { extends: extended, test: { ...test, exclude: [...configDefaults.exclude, ...BESIDE_THE_CODE] } },
    { extends: extended, test: { ...test, name: "unit", include: BESIDE_THE_CODE, isolate: false } },
  ];
}

function project(transport: Transport, include: string[]) {
  return { extends: true as const, test: { name: transport, include, provide: { transport } } };
}
