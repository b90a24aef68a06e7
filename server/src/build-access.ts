/** Who may come in and by which certificate: read before anything listens, and kept when a server starts again in its process. */
import { AccessControl } from "./access/access-control.ts";
import { ServerCertificate } from "./access/certificate.ts";
import { checkListenAddress } from "./config/load.ts";
import type { Config } from "./config/schema.ts";
import type { Clock } from "./runtime/clock.ts";
import type { Logger } from "./runtime/logger.ts";
import { tokenFileOf } from "./token-command.ts";

export interface BuiltAccess {
  readonly access: AccessControl;
  /** Undefined for no TLS. */
  readonly certificate: ServerCertificate | undefined;
}

/** Throws `StartError` for what cannot be read, and for an address that others reach without logging in. */
export async function buildAccess(config: Config, logger: Logger, clock: Clock): Promise<BuiltAccess> {
  const access = new AccessControl({ file: tokenFileOf(config), signing: signingOf(config), logger, clock });
  await access.reload();
  checkListenAddress(config, access.isOn);
  return { access, certificate: await certificateOf(config, logger, clock) };
}

function signingOf({ access: { jwtKeysFile: keysFile, jwtIssuer: issuer, jwtAudience: audience } }: Config) {
  return keysFile === "" ? undefined : { keysFile, issuer, audience };
}

async function certificateOf({ access }: Config, logger: Logger, clock: Clock): Promise<ServerCertificate | undefined> {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile } = access;
  return certFile === "" ? undefined : ServerCertificate.read({ certFile, keyFile, logger, clock });
}
