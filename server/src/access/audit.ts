/**
 * The audit log: one structured line for who logged in, who was refused, and what admin commands ran. Never a token, and of
 * arguments nothing. Lines have `audit` with the kind of the event, so that they can be told from others.
 *
 * A flood of refusals must not become a flood of lines: past a rate they are counted, and the next line of the kind says how
 * many. Logins and refusals have a rate each, since who floods one is not to hide the other. What administers is never left
 * out where one has to log in: only who has a token for it can cause such a line. Elsewhere anybody can, and it has a rate too.
 */
import type { Logger } from "../runtime/logger.ts";

export type AuditKind = "login" | "login_refused" | "refused" | "admin" | "tokens";

/** What a line tells. */
export interface AuditFields {
  /** The name of the token; absent for nobody's. */
  readonly token?: string | undefined;
  readonly address?: string | undefined;
  readonly protocol?: string | undefined;
  readonly command?: string | undefined;
  readonly reason?: string | undefined;
  readonly ok?: boolean | undefined;
  /** How many there are now. */
  readonly tokens?: number | undefined;
}

const LINES_PER_SECOND = 20;
const LINES_BURST = 200;
const LIMITED_KINDS = ["login", "login_refused", "refused"] as const satisfies readonly AuditKind[];

/** What is left of the lines of one kind. */
class LineBudget {
  #lines = LINES_BURST;
  #atMs: number;
  #leftOut = 0;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** How many were left out before this line; undefined where it is left out too. */
  take(nowMs: number): number | undefined {
    this.#lines = Math.min(LINES_BURST, this.#lines + ((nowMs - this.#atMs) / 1000) * LINES_PER_SECOND);
    this.#atMs = nowMs;
    if (this.#lines < 1) {
      this.#leftOut++;
      return undefined;
    }
    this.#lines--;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}

export class Audit {
  readonly #logger: Pick<Logger, "info">;
  readonly #monotonicMs: () => number;
  readonly #budgets: ReadonlyMap<AuditKind, LineBudget>;
  /** Of what those administer who have no token. */
  readonly #nobodysBudget: LineBudget;

  constructor(logger: Pick<Logger, "info">, monotonicMs: () => number) {
    this.#logger = logger;
    this.#monotonicMs = monotonicMs;
    const nowMs = monotonicMs();
    this.#nobodysBudget = new LineBudget(nowMs);
    this.#budgets = new Map(LIMITED_KINDS.map((kind) => [kind, new LineBudget(nowMs)]));
  }

  record(kind: AuditKind, fields: AuditFields, sentence: string): void {
    const isNobodys = kind === "admin" && fields.token === undefined;
    const budget = isNobodys ? this.#nobodysBudget : this.#budgets.get(kind);
    const leftOut = budget === undefined ? 0 : budget.take(this.#monotonicMs());
    if (leftOut === undefined) return;
    this.#logger.info({ audit: kind, ...fields, ...(leftOut === 0 ? {} : { left_out: leftOut }) }, sentence);
  }
}
