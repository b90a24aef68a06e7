import { describe, expect, it } from "vitest";
import { checkNodeVersion } from "./node-version.ts";
import { StartError } from "./start-error.ts";

describe("the Node version", () => {
  it.each(["v20.15.0", "v20.20.1", "v22.2.0", "v22.21.0", "v23.1.0", "v24.0.0", "v26.0.0-nightly"])(
    "%s is fine",
    (version) => expect(() => checkNodeVersion(version)).not.toThrow(),
  );

  it.each(["v18.20.4", "v20.14.0", "v21.7.3", "v22.1.0"])("%s is refused with the way out", (version) => {
    expect(() => checkNodeVersion(version)).toThrow(StartError);
    expect(() => checkNodeVersion(version)).toThrow(
      `Node ${version}: install Node 20 (20.15 or later), Node 22 (22.2 or later) or a newer one`,
    );
  });

  it("of this process is supported", () => {
    expect(() => checkNodeVersion(process.version)).not.toThrow();
  });
});
