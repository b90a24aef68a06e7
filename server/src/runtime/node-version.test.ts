import { describe, expect, it } from "vitest";
import { checkNodeVersion, explainLoadError } from "./node-version.ts";
import { StartError } from "./start-error.ts";

const linux = { platform: "linux", arch: "x64" };

describe("the Node version", () => {
  it.each(["v20.15.0", "v20.20.1", "v22.2.0", "v22.21.0"])("%s is fine", (version) => {
    expect(() => checkNodeVersion({ version, ...linux })).not.toThrow();
  });

  it.each(["v18.20.4", "v20.14.0", "v22.1.0", "v21.7.3", "v23.1.0", "v24.0.0", "v26.0.0-nightly"])(
    "%s is refused with the way out",
    (version) => {
      expect(() => checkNodeVersion({ version, ...linux })).toThrow(StartError);
      expect(() => checkNodeVersion({ version, ...linux })).toThrow(
        `${version}, which uWebSockets.js has no binary for`,
      );
      expect(() => checkNodeVersion({ version, ...linux })).toThrow(
        "install Node 20 (20.15 or later) or Node 22 (22.2 or later), or",
      );
    },
  );

  it("is not enough on a platform without a binary", () => {
    expect(() => checkNodeVersion({ version: "v22.2.0", platform: "linux", arch: "riscv64" })).toThrow(
      /^Synap does not run on linux riscv64; .*linux x64/,
    );
  });

  it("of this process is supported", () => {
    expect(() => checkNodeVersion(process)).not.toThrow();
  });
});

describe("an error of loading the server", () => {
  it("is explained when it is about the binary, and keeps its cause", () => {
    const error = new Error("This version of uWS.js supports only Node.js versions 18, 20, 21 and 22");
    const explained = explainLoadError(error);
    expect(explained).toBeInstanceOf(StartError);
    expect(explained).toMatchObject({ cause: error, message: expect.stringContaining("glibc") });
  });

  it("is left alone otherwise", () => {
    const bug = new TypeError("x is not a function");
    expect(explainLoadError(bug)).toBe(bug);
    expect(explainLoadError("text")).toBe("text");
  });
});
