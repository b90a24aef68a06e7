/** The commands of `synap-benchmark`; what they do stands in scenarios/, peers/ and baseline/. */
import { Command } from "commander";
import { addAll } from "./all-command.ts";
import { addBaseline } from "./baseline-command.ts";
import { addCompare } from "./compare-command.ts";
import { addMemory } from "./memory-command.ts";
import { addProfile } from "./profile-command.ts";
import {
  addScenario,
  kvScenario,
  pubsubScenario,
  queueScenario,
  replicationScenario,
  streamScenario,
} from "./scenario-commands.ts";
import { addStress } from "./stress-command.ts";

export function buildProgram(): Command {
  const program = new Command("synap-benchmark")
    .description("Measures a Synap server: one it starts itself, or the one that --url names.")
    .showHelpAfterError("(synap-benchmark COMMAND --help lists its flags)")
    .showSuggestionAfterError();
  const command = (name: string, about: string) => program.command(name).description(about);
  addScenario(command("kv", "Scenario 1: gets and sets of keys."), kvScenario);
  addScenario(command("queue", "Scenario 2: a queue and its workers."), queueScenario);
  addScenario(command("stream", "Scenario 3: rooms with many subscribers."), streamScenario);
  addScenario(command("pubsub", "Scenario 4: topics, some subscribed to by wildcard."), pubsubScenario);
  addScenario(command("replication", "Scenario 5: a master and replicas."), replicationScenario);
  addAll(program);
  addCompare(program);
  addBaseline(program);
  addMemory(program);
  addProfile(program);
  addStress(program);
  return program;
}
