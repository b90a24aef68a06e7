/**
 * A reason why a running server has to end at once that is not a bug of its own: a disk that has failed. The message is for
 * the operator; exit code 1.
 */
export class FatalError extends Error {
  override readonly name = "FatalError";
}
