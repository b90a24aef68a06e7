/** The program `synap-benchmark`: arguments and the exit code. 0 is done, 1 a gate that is not passed, 2 something to mend. */
import { CommanderError } from "commander";
import { buildProgram } from "./cli/program.ts";
import { BenchmarkError } from "./servers/benchmark-error.ts";

const MEND = 2;

const program = buildProgram();
for (const command of [program, ...program.commands.flatMap((each) => [each, ...each.commands])])
  command.exitOverride();
try {
  await program.parseAsync();
  process.exit();
} catch (error) {
  // Commander has written what is wrong, or the page of --help.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : MEND);
  if (!(error instanceof BenchmarkError)) throw error;
  process.stderr.write(`synap-benchmark: ${error.message}\n`);
  process.exit(MEND);
}
