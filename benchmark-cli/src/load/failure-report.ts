/** The end of a client process: a reason that its benchmark tells, where a stack would say nothing to anybody. */

/** Ctrl-C reaches every process of a terminal; a client goes on, and ends with its benchmark, which reports first. */
export function endWithReason(tell: (reason: string) => void): void {
  process.on("SIGINT", () => undefined);
  const failed = (error: unknown) => {
    tell(error instanceof Error ? error.message : String(error));
    process.disconnect?.();
  };
  process.once("uncaughtException", failed);
  process.once("unhandledRejection", failed);
}
