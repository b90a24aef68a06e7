/** admin.snapshot: a snapshot now, whatever the clock says. */
import { WHOLE } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { Flag, Integer, Struct } from "../schema.ts";

export const adminSnapshot = nodeCommand({
  name: "admin.snapshot",
  access: "admin",
  guard: WHOLE,
  shows: "nothing",
  summary: "Begins a snapshot and answers at once; admin.info shows what becomes of it.",
  arguments: Struct({}),
  reply: Struct({
    started: Flag({ description: "False where one is under way already: it is the one whose offset is told." }),
    offset: Integer({ description: "The snapshot holds everything up to this offset." }),
  }),
  act: (_args, { node }) => node.persistence.beginSnapshot(),
});
