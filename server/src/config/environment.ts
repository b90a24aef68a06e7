/** The SYNAP_* variables of the environment. A variable that means nothing is an error: it is usually a mistyped key. */
import { StartError } from "../runtime/start-error.ts";
import { type Assignment, ignoredKeyWarning, isIgnoredKey, type Layer, refuseTwice, suggestion } from "./assignment.ts";
import { environmentName, KEYS, type Key } from "./schema.ts";

const keysByVariable = new Map<string, Key>();
for (const key of KEYS) {
  for (const name of [key.name, ...key.setting.aliases]) keysByVariable.set(environmentName(key.section, name), key);
}

const ALL_KEYS = "--print-config shows all keys";

/** @throws StartError for an unknown variable that begins with SYNAP_, and for a key given by two of its names */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Layer {
  const assignments: Assignment[] = [];
  const warnings: string[] = [];
  for (const [variable, raw] of Object.entries(environment)) {
    if (!variable.startsWith("SYNAP_") || raw === undefined) continue;
    const key = keysByVariable.get(variable);
    if (isServiceLink(variable, raw)) {
      if (key) warnings.push(`${variable} is ignored: ${raw} is what Kubernetes sets for a service of that name`);
    } else if (key !== undefined) {
      assignments.push({ key, raw, origin: variable });
    } else if (isIgnoredKey(pathOf(variable))) {
      warnings.push(ignoredKeyWarning(variable, pathOf(variable)));
    } else {
      throw new StartError(
        `${variable} is not a setting of this server; ${suggestion(variable, [...keysByVariable.keys()], ALL_KEYS)}.`,
      );
    }
  }
  refuseTwice(assignments);
  return { assignments, warnings };
}

/**
 * Kubernetes puts variables for every service into every container: a service named `synap` gives SYNAP_SERVICE_HOST,
 * SYNAP_PORT=tcp://10.0.0.1:15500 and more, one named `synap-server` even SYNAP_SERVER_PORT.
 */
function isServiceLink(variable: string, value: string): boolean {
  if (keysByVariable.has(variable)) return variable.endsWith("_PORT") && /^(?:tcp|udp|sctp):\/\//.test(value);
  return /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/.test(
    variable,
  );
}

/** SYNAP_SERVER_HTTP2_ENABLED -> server.http2_enabled; good enough for sections of one word. */
function pathOf(variable: string): string {
  return variable.slice("SYNAP_".length).toLowerCase().replace("_", ".");
}

// Checked once: two keys may not share a variable, which section and key names with underscores would allow.
if (keysByVariable.size !== KEYS.reduce((sum, key) => sum + 1 + key.setting.aliases.length, 0)) {
  throw new Error("two configuration keys have the same environment name");
}
