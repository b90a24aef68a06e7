/** The effective configuration for people: `--print-config` and `admin.config`. */
import { type Config, camelCase, KEYS } from "./schema.ts";

/** By its keys in the file, sizes with their unit, secrets redacted. As YAML it is a file that gives the same configuration. */
export function describeConfig(config: Config): Record<string, Record<string, unknown>> {
  const described: Record<string, Record<string, unknown>> = {};
  for (const { section, name, setting } of KEYS) {
    // `Config` is built from the same table by the same rule.
    const values = config[camelCase(section) as keyof Config] as Readonly<Record<string, unknown>>;
    described[section] ??= {};
    const value = values[camelCase(name)];
    // A setting shows what it has read. That there is no secret is none.
    described[section][name] = setting.secret && value !== "" ? "[redacted]" : setting.show(value as never);
  }
  return described;
}

export async function configAsYaml(config: Config): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(describeConfig(config));
}
