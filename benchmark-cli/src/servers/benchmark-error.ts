/** What a person has to change: it is told in one sentence, without a stack, and ends the program with code 2. */
export class BenchmarkError extends Error {
  override readonly name = "BenchmarkError";
}
