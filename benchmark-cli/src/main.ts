/**
 * The program `synap-benchmark`: arguments and the exit code. 0 is done, 1 a gate that is not passed, 2 something to mend, 3 a
 * bug of this program, 130 broken off.
 *
 *     cli/         commands, flags, and a run of the program with its report
 *     scenarios/   what is measured of one server, or of a master and replicas
 *     peers/       the same beside other servers, in turns
 *     baseline/    gates on what the hot commands cost
 *     profile/     flame graphs and heap snapshots
 *     studies/     programs that each look at one thing: npm run NAME -w benchmark-cli
 *     queue/ rooms/ topics/   client processes of each, and the checks of what was delivered
 *     load/        connections, generators, instants, histograms
 *     servers/     the processes that are started, ours and bare ones
 *     report/      rows, tables, charts and pages; the view of a terminal
 */
import { CommanderError } from "commander";
import { buildProgram } from "./cli/program.ts";
import { BenchmarkError } from "./servers/benchmark-error.ts";

const MEND = 2;
const BUG = 3;

function endWithBug(error: unknown): never {
  console.error(error);
  process.exit(BUG);
}

process.on("uncaughtException", endWithBug);

const program = buildProgram();
for (const command of [program, ...program.commands.flatMap((each) => [each, ...each.commands])])
  command.exitOverride();
try {
  await program.parseAsync();
  process.exit();
} catch (error) {
  // Commander has written what is wrong, or the page of --help.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : MEND);
  if (!(error instanceof BenchmarkError)) endWithBug(error);
  process.stderr.write(`synap-benchmark: ${error.message}\n`);
  process.exit(MEND);
}
