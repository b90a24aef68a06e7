/** Commands on a node among its replicas: admin.promote, admin.wait. */
import { WHOLE } from "../access-rule.ts";
import { nodeCommand } from "../command.ts";
import { type CommandError, fail } from "../errors.ts";
import { Integer, Optional, Struct } from "../schema.ts";
import { AnswerWait } from "../wait.ts";

/** A promotion waits for the disk, twice. */
const PROMOTE_MS_MAX = 30_000;
const REPLICAS_MAX = 100;
const TIMEOUT_MS_DEFAULT = 1000;
/** A day; also what waits without a limit get. */
const TIMEOUT_MS_MAX = 86_400_000;

export const adminPromote = nodeCommand({
  name: "admin.promote",
  access: "admin",
  guard: WHOLE,
  summary: "Makes this replica the master of a new epoch, which is on disk before the answer.",
  arguments: Struct({}),
  reply: Struct({
    epoch: Integer(),
    offset: Integer({ description: "The last offset copied from the old master: everything up to it is here." }),
  }),
  shows: "nothing",
  isBlocking: () => true,
  act(_args, { node: { replication } }) {
    if (replication.role === "master") return fail("INVALID_REQUEST", "this node is the master already");
    return new AnswerWait(
      PROMOTE_MS_MAX,
      (answer) => {
        replication.promote().then(answer, (error: unknown) => {
          // What this node is now, nobody knows; a failure before that is an answer of its own.
          answer(failed(error));
          throw error;
        });
        // It goes on: whoever asked for it may have left.
        return () => {};
      },
      () => fail("SERVICE_UNAVAILABLE", "the promotion is still under way: admin.info shows what becomes of it"),
    );
  },
});

function failed(error: unknown): CommandError {
  return fail("INTERNAL_ERROR", `the promotion failed: ${error instanceof Error ? error.message : String(error)}`);
}

export const adminWait = nodeCommand({
  name: "admin.wait",
  access: "admin",
  guard: WHOLE,
  summary: "Waits until so many replicas have everything written so far on disk, and answers how many have.",
  arguments: Struct({
    replicas: Integer({ minimum: 0, maximum: REPLICAS_MAX }),
    timeout_ms: Optional(
      Integer({
        minimum: 0,
        maximum: TIMEOUT_MS_MAX,
        default: TIMEOUT_MS_DEFAULT,
        description: "Then the answer says how many have it by then. 0 is a day.",
      }),
    ),
  }),
  reply: Struct({ replicas: Integer({ description: "May be fewer than were asked for, or more." }) }),
  shows: "nothing",
  needsMaster: true,
  isBlocking: ({ replicas }) => replicas > 0,
  act({ replicas, timeout_ms: timeoutMs = TIMEOUT_MS_DEFAULT }, { node: { replication }, appliedOffset }) {
    const reply = () => ({ replicas: replication.replicasAt(appliedOffset) });
    const now = reply();
    if (now.replicas >= replicas) return now;
    const refusal = replication.waitsRefusal();
    if (refusal !== undefined) return refusal;
    return new AnswerWait(
      timeoutMs === 0 ? TIMEOUT_MS_MAX : timeoutMs,
      (answer) => replication.whenReplicated(appliedOffset, replicas, () => answer(reply())),
      reply,
    );
  },
});
