import { describe, expect, it } from "vitest";
import { readCommandLine } from "./command-line.ts";
import { configFromFlags, loadConfig, resolveConfig } from "./load.ts";
import { PROFILES, profileAssignments } from "./profiles.ts";

const MB = 2 ** 20;
const NO_LIMIT = 1_000_000;

describe("profiles", () => {
  it.each(Object.keys(PROFILES))(
    "%s differs from the defaults in everything that it sets, and is consistent",
    (name) => {
      for (const { key, raw } of profileAssignments(name)) {
        expect(key.setting.read(raw), key.path).not.toEqual(key.setting.default);
      }
      expect(configFromFlags("--profile", name)).toEqual(resolveConfig(profileAssignments(name)));
    },
  );

  it("stand under the environment and the flags", async () => {
    const commandLine = readCommandLine(["--profile", "low-memory", "--set", "protocol.max_reply_bytes=2mb"]);
    const environment = { SYNAP_KV_STORE_MAX_MEMORY_BYTES: "300mb" };
    const { config } = await loadConfig(commandLine, environment, NO_LIMIT);
    expect(config.kvStore.maxMemoryBytes).toBe(300 * MB);
    expect(config.protocol.maxReplyBytes).toBe(2 * MB);
    expect(config.replication.backlogBytes).toBe(MB);
  });

  it("are named where the name is wrong", () => {
    expect(() => configFromFlags("--profile", "low-memry")).toThrow(
      "there is no profile low-memry; the nearest is low-memory.",
    );
    expect(() => configFromFlags("--profile", "fast")).toThrow("there are high-throughput, low-memory, large-values");
  });

  it("never take anything away that is kept", () => {
    for (const { settings } of Object.values(PROFILES)) {
      for (const path of Object.keys(settings))
        expect(path).not.toMatch(/eviction|retention|max_depth|max_events|enabled/);
    }
  });
});
