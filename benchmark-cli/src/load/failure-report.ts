/** The end of a client process: a reason that its benchmark tells, where a stack would say nothing to anybody. */

/** Ctrl-C reaches every process of a terminal; a client goes on, and ends with its benchmark, which reports first. */
export function endWithReason(tell: (reason: string) => void): void {
  process.on("SIGINT", () => undefined);
  let isTold = false;
  const failed = (error: unknown) => {
    // When a server ends, every connection fails, and the first says it all.
    if (isTold) return;
    isTold = true;
    tell(error instanceof Error ? error.message : String(error));
    process.disconnect?.();
  };
  process.on("uncaughtException", failed);
  process.on("unhandledRejection", failed);
}
