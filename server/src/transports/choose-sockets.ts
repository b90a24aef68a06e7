/**
 * Which library speaks HTTP and WebSocket: uWebSockets.js where its binary loads, else what every Node has. It is imported
 * only here, when the server starts, so that a machine without the binary finds no mistake but a sentence.
 */
import { codeOf } from "../runtime/error-code.ts";
import { StartError } from "../runtime/start-error.ts";
import type { CreateSocketServer } from "./http/socket-server.ts";

export type TransportKind = "auto" | "native" | "portable";

export interface ChosenSockets {
  readonly kind: "native" | "portable";
  readonly create: CreateSocketServer;
  /** For the log: which it is, why, and how to get the native one. */
  readonly sentence: string;
}

/** The parts of `process` that decide which binary is loaded. */
export interface Platform {
  readonly version: string;
  readonly platform: string;
  readonly arch: string;
}

/** Loads uWebSockets.js; a test gives its own. */
export type LoadNative = () => Promise<{ readonly createNativeServer: CreateSocketServer }>;

const WAY_TO_NATIVE =
  "For the native one use Node 20 or 22 on Linux with glibc, macOS or Windows; or, for Node 22, 24 and 26, install the " +
  "release of its authors in the server's folder: npm install uWebSockets.js@uNetworking/uWebSockets.js#v20.67.0";

const loadNative: LoadNative = () => import("./native/native-server.ts");

/** @throws StartError where `native` was asked for and cannot be had. */
export async function chooseSockets(
  kind: TransportKind,
  platform: Platform = process,
  load: LoadNative = loadNative,
): Promise<ChosenSockets> {
  if (kind === "portable")
    return portable("as asked for; the native one, uWebSockets.js, is faster: --transport auto.");
  try {
    const { createNativeServer } = await load();
    const why = kind === "native" ? "as asked for" : "its binary loads on this machine";
    return { kind: "native", create: createNativeServer, sentence: `transport: native (uWebSockets.js), ${why}.` };
  } catch (cause) {
    if (!isAboutBinary(cause)) throw cause;
    const { version, platform: system, arch } = platform;
    const why = `uWebSockets.js has no binary that loads with Node ${version} on ${system} ${arch}`;
    if (kind === "auto") return portable(`since ${why}. ${WAY_TO_NATIVE}`);
    const way = "Leave --transport native away for the portable transport, which runs everywhere.";
    throw new StartError(`There is no native transport: ${why}. ${way} ${WAY_TO_NATIVE}`, { cause });
  }
}

async function portable(why: string): Promise<ChosenSockets> {
  const { createPortableServer } = await import("./portable/portable-server.ts");
  return {
    kind: "portable",
    create: createPortableServer,
    sentence: `transport: portable (node:http and ws), ${why}`,
  };
}

/** Of uWebSockets.js not being installed, or not having a binary, or of one that the system cannot load. */
function isAboutBinary(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (codeOf(error) === "ERR_DLOPEN_FAILED") return true;
  return /uWS\.js supports only|uWebSockets\.js|uws_\w+\.node/.test(error.message);
}
