/** A node where nobody has to log in: what tests give to whatever asks who may come in. */
import { AccessControl } from "../src/access/access-control.ts";
import { AccessReport } from "../src/node-access.ts";
import { ManualClock } from "../src/runtime/clock.ts";
import { silentLogger } from "../src/runtime/logger.ts";

export function openAccess(): AccessControl {
  return new AccessControl({ file: undefined, logger: silentLogger, clock: new ManualClock() });
}

export function openNodeAccess(): AccessReport {
  return new AccessReport(openAccess());
}
