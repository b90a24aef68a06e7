import { describe, expect, it } from "vitest";
import { resolveOptions, type SynapClientOptions } from "./options.ts";

const url = "ws://localhost:15500";

describe("options", () => {
  it("have defaults", () => {
    expect(resolveOptions({ url })).toMatchObject({ connections: 1, format: "msgpack", idempotentWrites: true });
  });

  it.each([
    ["connections: 1.5 must be a whole number from 1 to 1000", { connections: 1.5 }],
    ["connections: 1000000000 must be", { connections: 1e9 }],
    ["maxInFlight: 0 must be", { maxInFlight: 0 }],
    ["timeoutMs: NaN must be at least 1", { timeoutMs: Number.NaN }],
    ["idempotentWrites: yes must be true or false", { idempotentWrites: "yes" }],
    ["token: it must be a string", { token: 5 }],
    ["format: xml must be one of", { format: "xml" }],
    ["tiemoutMs: there is no such option; there are url, format", { tiemoutMs: 5 }],
    ["url: at least one is needed", { url: [] }],
    ['url: "localhost" is not a URL', { url: "localhost" }],
    ["followMaster: false is for a client of one URL", { url: [url, "ws://localhost:15501"], followMaster: false }],
  ])("that cannot be meant are named: %s", (problem, given) => {
    // As from a program without types.
    const options = { url, ...given } as unknown as SynapClientOptions;
    expect(() => resolveOptions(options)).toThrow(problem);
    expect(() => resolveOptions(options)).toThrow(TypeError);
  });
});
