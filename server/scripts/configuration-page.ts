/** Writes docs/configuration.md from the configuration schema: `npm run docs`. A test checks that it is current. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PROFILES } from "../src/config/profiles.ts";
import { type AnySetting, KEYS } from "../src/config/schema.ts";

export const pagePath: string = fileURLToPath(new URL("../docs/configuration.md", import.meta.url));

const INTRODUCTION = `<!-- Generated from server/src/config/schema.ts by \`npm run docs\`. Do not edit. -->

# Configuration

A value comes from the first of these that has it:

1. a flag: \`--port 8080\`, or for any key \`--set server.port=8080\`
2. the environment: \`SYNAP_SERVER_PORT=8080\`
3. the file: \`synap.yml\` in the working directory, or the one named by \`--config FILE\`
4. the profile that \`--profile NAME\` names, where it says anything
5. the default below

\`\`\`yaml
server:
  port: 8080
kv_store:
  max_memory_bytes: 4gb
  eviction_policy: lru
\`\`\`

Sizes are numbers of bytes or carry a binary unit: \`64kb\`, \`512mb\`, \`2gb\`. A list is a YAML list, or text with commas.
An unknown key, an unknown \`SYNAP_*\` variable or a value out of its bounds stops the start and says what is allowed.
The \`http2*\` keys of the original server are accepted with a warning and have no effect.

\`npm start -s -- --print-config\` prints the effective configuration, as a file that would give the same one (\`-s\` keeps
npm's own lines out of it; \`max_connections\` is printed as asked for, before this machine's file limit lowers it).
The file must be a regular file of at most 1 MB.
`;

export function configurationPage(): string {
  const lines = [INTRODUCTION.trimEnd()];
  let section = "";
  for (const key of KEYS) {
    if (key.section !== section) {
      section = key.section;
      lines.push("", `## ${section}`, "", "| key | default | allowed | what |", "| --- | --- | --- | --- |");
    }
    lines.push(`| ${key.name} | ${shownDefault(key.setting)} | ${allowed(key.setting)} | ${what(key.setting)} |`);
  }
  lines.push(...profiles());
  lines.push("", "The environment name of a key is `SYNAP_` and its section and name in capitals, joined by `_`.");
  return `${lines.join("\n")}\n`;
}

function profiles(): string[] {
  const lines = [
    "",
    "## Profiles",
    "",
    "`--profile NAME` replaces defaults by those for a purpose; any other layer wins over it.",
  ];
  for (const [name, { summary, price, settings }] of Object.entries(PROFILES)) {
    lines.push(
      "",
      `**${name}**: ${summary}. ${price}`,
      "",
      "| key | default | with the profile |",
      "| --- | --- | --- |",
    );
    for (const [path, value] of Object.entries(settings)) {
      const key = KEYS.find((each) => each.path === path);
      if (key !== undefined) lines.push(`| ${path} | ${shownDefault(key.setting)} | \`${value}\` |`);
    }
  }
  return lines;
}

function shownDefault(setting: AnySetting): string {
  // A setting shows what is its own default.
  const shown = setting.show(setting.default as never);
  return Array.isArray(shown) ? "`[]`" : `\`${String(shown)}\``;
}

function allowed({ allowed, unit }: AnySetting): string {
  return unit === undefined || unit === "bytes" ? allowed : `${allowed} (${unit})`;
}

function what({ description, aliases }: AnySetting): string {
  const also = aliases.map((alias) => ` Also accepted: \`${alias}\`.`).join("");
  return `${description}${also}`.replaceAll("|", "\\|");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(pagePath, configurationPage());
