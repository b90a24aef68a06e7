/**
 * Resolves after so many milliseconds. For a file that another process holds for a moment, when a server starts or tokens are
 * changed; what is due again and again is for the ticker.
 */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
