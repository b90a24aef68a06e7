import { describe, expect, it } from "vitest";
import { StartError } from "../runtime/start-error.ts";
import { chooseSockets, type LoadNative } from "./choose-sockets.ts";
import { createPortableServer } from "./portable/portable-server.ts";

const NODE_24 = { version: "v24.4.0", platform: "linux", arch: "x64" };

const loads: LoadNative = async () => ({ createNativeServer: createPortableServer });
const failing =
  (error: Error): LoadNative =>
  () =>
    Promise.reject(error);

const noBinary = new Error("This version of uWS.js supports only Node.js versions 18, 20, 21 and 22 on (glibc) Linux");
const notInstalled = Object.assign(new Error("Cannot find package 'uWebSockets.js' imported from uws.js"), {
  code: "ERR_MODULE_NOT_FOUND",
});
const noGlibc = Object.assign(new Error("Error loading shared library ld-linux-x86-64.so.2"), {
  code: "ERR_DLOPEN_FAILED",
});

describe("which library speaks HTTP and WebSocket", () => {
  it("is the native one where it loads", async () => {
    expect(await chooseSockets("auto", NODE_24, loads)).toMatchObject({
      kind: "native",
      sentence: "transport: native (uWebSockets.js), its binary loads on this machine.",
    });
  });

  it.each([
    ["has no binary", noBinary],
    ["is not installed", notInstalled],
    ["needs a glibc that is not there", noGlibc],
  ])("is the portable one where the native one %s, and says how to get that", async (_, error) => {
    const { kind, sentence } = await chooseSockets("auto", NODE_24, failing(error));
    expect(kind).toBe("portable");
    expect(sentence).toContain("since uWebSockets.js has no binary that loads with Node v24.4.0 on linux x64. For the");
    expect(sentence).toContain("npm install uWebSockets.js@uNetworking/uWebSockets.js#v");
  });

  it("is not looked for where the portable one was asked for", async () => {
    const { kind, sentence } = await chooseSockets("portable", NODE_24, failing(new Error("loaded")));
    expect(kind).toBe("portable");
    expect(sentence).toContain("as asked for");
  });

  it("ends the start where the native one was asked for in vain", async () => {
    const chosen = chooseSockets("native", NODE_24, failing(noBinary));
    await expect(chosen).rejects.toThrow(StartError);
    await expect(chosen).rejects.toThrow(/^There is no native transport: .*Leave --transport native away/);
    await expect(chosen).rejects.toMatchObject({ cause: noBinary });
  });

  it("is not chosen by a bug", async () => {
    const bug = new TypeError("x is not a function");
    await expect(chooseSockets("auto", NODE_24, failing(bug))).rejects.toBe(bug);
  });
});
