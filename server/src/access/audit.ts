/**
 * The audit log: one structured line for who logged in, who was refused, and what admin commands ran. Never a token, and of
 * arguments nothing. Lines have `audit` with the kind of the event, so that they can be told from others.
 *
 * A flood of refusals must not become a flood of lines: past a rate they are counted, and the next line says how many.
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
}

const LINES_PER_SECOND = 20;
const LINES_BURST = 200;

export class Audit {
  readonly #logger: Pick<Logger, "info">;
  readonly #monotonicMs: () => number;
  #lines = LINES_BURST;
  #atMs: number;
  #leftOut = 0;

  constructor(logger: Pick<Logger, "info">, monotonicMs: () => number) {
    this.#logger = logger;
    this.#monotonicMs = monotonicMs;
    this.#atMs = monotonicMs();
  }

  record(kind: AuditKind, fields: AuditFields, sentence: string): void {
    const nowMs = this.#monotonicMs();
    this.#lines = Math.min(LINES_BURST, this.#lines + ((nowMs - this.#atMs) / 1000) * LINES_PER_SECOND);
    this.#atMs = nowMs;
    if (this.#lines < 1) {
      this.#leftOut++;
      return;
    }
    this.#lines--;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    this.#logger.info({ audit: kind, ...fields, ...(leftOut === 0 ? {} : { left_out: leftOut }) }, sentence);
  }
}
