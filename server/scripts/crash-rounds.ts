/**
 * Kills a server in the middle of its work again and again, and looks whether everything is there that was acknowledged.
 *
 *     npm run crash-rounds -w server -- [--rounds 200] [--seed 1]
 */
import { parseArgs } from "node:util";
import { seededRandom } from "../test/engine.ts";
import { crashRounds } from "../test/integration/crash-rounds.ts";
import { ServerProcesses } from "../test/integration/server-process.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "200" }, seed: { type: "string", default: "1" } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds takes a whole number from 1, not ${values.rounds}`);
const processes = new ServerProcesses();
try {
  const { acknowledged, killedStarts, snapshotsSeen } = await crashRounds({
    processes,
    rounds,
    random: seededRandom(Number(values.seed)),
    onRound: (round, count) => {
      if ((round + 1) % 10 === 0)
        console.log(`${round + 1} of ${rounds} rounds: ${count} writes acknowledged, none lost`);
    },
  });
  console.log(
    `${rounds} rounds of kill -9: ${acknowledged} writes acknowledged, none lost; ` +
      `${killedStarts} starts killed before they were ready; ${snapshotsSeen} rounds with snapshots`,
  );
  await processes.end();
} catch (error) {
  await processes.kill();
  console.error(`the data directory is kept: ${processes.pathOf("crash")}`);
  throw error;
}
