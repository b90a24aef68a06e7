/**
 * An expected reason why the server cannot start: a port in use, a bad configuration file, a Node version without a
 * binary. The message is one sentence for the person at the terminal, who sees it without a stack; exit code 1.
 */
export class StartError extends Error {
  override readonly name = "StartError";
}
