/** Over which transport the tests of this run go: vitest.config.ts runs some of them over each. */
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    readonly transport: "native" | "portable";
  }
}

export const testedTransport = inject("transport");

/** For a server that is started from flags. */
export const TRANSPORT_FLAGS: readonly string[] = ["--transport", testedTransport];
