/**
 * `npm run rehearse-image -w server`: does what server/Dockerfile says, where there is no container engine. Each stage gets a
 * folder of its own; COPY, RUN, ENV, WORKDIR and USER do in it what they would do in an image, and the last stage is then
 * started by its ENTRYPOINT as an unprivileged user (where this runs as root), health-checked by its HEALTHCHECK, asked for a
 * key, and ended by its STOPSIGNAL. What an image has beside these, such as a read-only root file system, is not rehearsed:
 * instead nothing may have changed outside of the data directory.
 *
 *     /data of the image  -->  <folder of the stage>/data       and so for every absolute path of the Dockerfile
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Of `nobody`, on Linux. */
const UNPRIVILEGED = 65_534;
const PORT = "15987";

interface Stage {
  readonly folder: string;
  workdir: string;
  readonly env: Record<string, string>;
  entrypoint: string[];
  healthCheck: string[];
  stopSignal: NodeJS.Signals;
}

/** The instructions, with continued lines joined and comments left out. */
function instructions(): { name: string; rest: string }[] {
  const text = readFileSync(join(ROOT, "server", "Dockerfile"), "utf8")
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n\s*/g, "");
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      if (name === undefined) throw new Error(`not an instruction: ${line}`);
      return { name, rest };
    });
}

const folder = mkdtempSync(join(tmpdir(), "synap-image-"));
chmodSync(folder, 0o755);
const stages = new Map<string, Stage>();
const children: ChildProcess[] = [];

function run(stage: Stage, command: string): void {
  const inside = command.replace(/(^|\s)\/data\b/g, `$1${stage.folder}/data`).replace("-o node -g node ", "");
  console.log(`  RUN ${command}`);
  const { status } = spawnSync("bash", ["-euc", inside], {
    cwd: join(stage.folder, stage.workdir),
    env: { ...process.env, ...stage.env, NODE_ENV: "" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`it ended with ${status}`);
}

function copy(stage: Stage, rest: string): void {
  const [, from, paths] = /^(?:--from=(\w+)\s+)?(.*)$/.exec(rest) ?? [];
  const words = paths.split(/\s+/);
  const target = words.pop() ?? "";
  const origin = from === undefined ? ROOT : stages.get(from)?.folder;
  if (origin === undefined) throw new Error(`there is no stage ${from}`);
  const within = target.startsWith("/") ? join(stage.folder, target) : join(stage.folder, stage.workdir, target);
  const isFolder = words.length > 1 || target.endsWith("/");
  for (const word of words) {
    const source = join(origin, word);
    // Of a folder COPY takes what is in it; links between workspaces stay links.
    const into = isFolder && !statSync(source).isDirectory() ? join(within, basename(word)) : within;
    cpSync(source, into, { recursive: true, verbatimSymlinks: true });
  }
}

function follow({ name, rest }: { name: string; rest: string }, stage: Stage): void {
  switch (name) {
    case "WORKDIR":
      stage.workdir = rest;
      mkdirSync(join(stage.folder, rest), { recursive: true });
      break;
    case "ENV":
      for (const [, key, value] of rest.matchAll(/(\w+)=(\S+)/g)) stage.env[key] = value;
      break;
    case "COPY":
      copy(stage, rest);
      break;
    case "RUN":
      run(stage, rest);
      break;
    case "ENTRYPOINT":
      stage.entrypoint = JSON.parse(rest);
      break;
    case "HEALTHCHECK":
      stage.healthCheck = JSON.parse(rest.slice(rest.indexOf("CMD") + 3));
      break;
    case "STOPSIGNAL":
      // One of the names that Node knows, or `kill` throws.
      stage.stopSignal = rest as NodeJS.Signals;
      break;
    case "ARG":
    case "USER":
    case "VOLUME":
    case "EXPOSE":
      break;
    default:
      throw new Error(`${name} cannot be rehearsed`);
  }
}

function build(): Stage {
  let stage: Stage | undefined;
  for (const instruction of instructions()) {
    if (instruction.name === "FROM") {
      const name = / AS (\w+)$/.exec(instruction.rest)?.[1] ?? "image";
      console.log(`stage ${name}`);
      const own = join(folder, name);
      mkdirSync(own);
      stage = { folder: own, workdir: "/", env: {}, entrypoint: [], healthCheck: [], stopSignal: "SIGTERM" };
      stages.set(name, stage);
    } else if (stage !== undefined) follow(instruction, stage);
    else if (instruction.name !== "ARG") throw new Error(`${instruction.name} before FROM`);
  }
  if (stage === undefined) throw new Error("there is no stage");
  return stage;
}

/** Every file of the image and when it was written, the data left out. */
function filesOf(root: string): string {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(join(root, "data")))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${path} ${statSync(path).mtimeMs}`)
    .sort()
    .join("\n");
}

function start(stage: Stage, env: Record<string, string>, args: readonly string[]): ChildProcess {
  const [program, path, ...rest] = stage.entrypoint;
  if (program !== "node") throw new Error(`the entry point is ${program}`);
  const child = spawn(process.execPath, [join(stage.folder, path), ...rest, ...args], {
    cwd: join(stage.folder, stage.workdir),
    env,
    stdio: ["ignore", "pipe", "inherit"],
    ...(process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {}),
  });
  children.push(child);
  return child;
}

async function rehearse(): Promise<void> {
  const stage = build();
  const data = join(stage.folder, "data");
  chmodSync(data, 0o777);
  const before = filesOf(stage.folder);
  const env = {
    ...stage.env,
    SYNAP_SERVER_PORT: PORT,
    SYNAP_PERSISTENCE_DIRECTORY: data,
    SYNAP_PROTOCOL_RESP_PORT: "0",
  };
  const refused = start(stage, { ...env, PATH: "" }, []);
  const [refusedCode] = await once(refused, "close");
  if (refusedCode !== 1) throw new Error("without --insecure it must not listen beyond its machine");
  const server = start(stage, env, ["--insecure"]);
  const ended = once(server, "close");
  for await (const text of server.stdout ?? []) {
    process.stdout.write(`  ${text}`);
    if (String(text).includes("ready: ")) break;
  }
  const [node, ...check] = stage.healthCheck;
  if (node !== "node" || spawnSync(process.execPath, check, { env }).status !== 0) throw new Error("it is not healthy");
  console.log("  healthy");
  const body = JSON.stringify({ command: "kv.set", payload: { key: "a", value: 1 } });
  const url = `http://127.0.0.1:${PORT}/api/v1/command`;
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  if (!(await answer.text()).includes('"success":true')) throw new Error("it does not answer");
  server.kill(stage.stopSignal);
  const [code] = await ended;
  if (code !== 0) throw new Error(`${stage.stopSignal} ended it with ${code}`);
  console.log(`  ${stage.stopSignal} ends it with 0`);
  if (spawnSync(process.execPath, check, { env }).status === 0) throw new Error("it is healthy without a server");
  if (filesOf(stage.folder) !== before) throw new Error("it has written beside its data directory");
  if (!existsSync(join(data, "log")) && readdirSync(data).length === 0) throw new Error("it has kept nothing");
  const { stdout } = spawnSync("du", ["-sm", join(stage.folder, "synap")], { encoding: "utf8" });
  console.log(`  ${stdout.split("\t")[0]} MB beside Node`);
}

try {
  await rehearse();
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, maxRetries: 5 });
}
