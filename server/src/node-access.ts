/** The tokens of this node, as commands see them: the `NodeAccess` of commands/node.ts. */
import { type AccessControl, isRefusal, KEEPS_NO_TOKENS, type Peer } from "./access/access-control.ts";
import type { AuditFields } from "./access/audit.ts";
import type { Grant } from "./access/grant.ts";
import { showPermission } from "./access/permission.ts";
import { type NewToken, type ShownToken, shownToken } from "./access/token.ts";
import { type CommandError, fail } from "./commands/errors.ts";
import type { GrantDescription, NodeAccess } from "./commands/node.ts";
import type { Caller, Who } from "./dispatch/caller.ts";

export class AccessReport implements NodeAccess {
  readonly #control: AccessControl;

  constructor(control: AccessControl) {
    this.#control = control;
  }

  get newcomer(): Grant {
    return this.#control.newcomer;
  }

  authenticate(token: string, name: string | undefined, peer: Peer): Grant | CommandError {
    const control = this.#control;
    // A client that has a token may use a server that wants none.
    if (!control.isOn) return control.newcomer;
    const answer = control.authenticate(token, name, peer);
    if (!isRefusal(answer)) return answer;
    const { code, message, retryAfterSecs } = answer;
    return fail(code, message, retryAfterSecs > 0 ? { retry_after_secs: retryAfterSecs } : undefined);
  }

  describe({ name, permissions, expiresAtMs }: Grant): GrantDescription {
    const expires = Number.isFinite(expiresAtMs) ? expiresAtMs : null;
    return { name, allow: permissions.map(showPermission), expires_at: expires };
  }

  get refusedCount(): number {
    return this.#control.refusedCount;
  }

  refused(caller: Caller, command: string | undefined, reason: string): void {
    this.#control.refusedCount++;
    this.#control.audit.record("refused", { ...whoIs(caller), command, reason }, "a command was refused");
  }

  ran(who: Who, command: string, ok: boolean | undefined): void {
    this.#control.audit.record("admin", { ...whoIs(who), command, ok }, "an admin command ran");
  }

  async create(wanted: NewToken): Promise<(ShownToken & { readonly token: string }) | CommandError> {
    if (!this.#control.keepsTokens) return fail("INVALID_REQUEST", KEEPS_NO_TOKENS);
    const made = await this.#control.create(wanted);
    if (typeof made === "string") return fail("INVALID_PAYLOAD", made);
    return { ...shownToken(made.record), token: made.text };
  }

  list(): readonly ShownToken[] {
    return this.#control.list();
  }

  async revoke(name: string): Promise<{ readonly revoked: true; readonly name: string } | CommandError> {
    if (!this.#control.keepsTokens) return fail("INVALID_REQUEST", KEEPS_NO_TOKENS);
    const problem = await this.#control.revoke(name);
    return problem === undefined ? { revoked: true, name } : fail("INVALID_PAYLOAD", problem, { path: "name" });
  }
}

function whoIs({ grant: { name }, address, protocol }: Who): Pick<AuditFields, "token" | "address" | "protocol"> {
  return { token: name === "" ? undefined : name, address, protocol };
}
