/**
 * `npm run rehearse-image -w server`: does what server/Dockerfile says, where there is no container engine. Each stage gets a
 * folder of its own; COPY, RUN, ENV, WORKDIR and USER do in it what they would do in an image, and the last stage is then
 * started by its ENTRYPOINT as an unprivileged user (where this runs as root), health-checked by its HEALTHCHECK, asked for a
 * key, and ended by its STOPSIGNAL: open to everybody, with a token that its ENTRYPOINT has made, and with a certificate. What an
 * image has beside these, such as a read-only root file system, is not rehearsed: instead nothing may have changed outside of the
 * data directory.
 *
 *     /data of the image  -->  <folder of the stage>/data       and so for every absolute path of the Dockerfile
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Of `nobody`, on Linux. */
const UNPRIVILEGED = 65_534;
const PORT = "15987";

type Environment = Readonly<Record<string, string>>;

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

/** Where a path of the image is here. */
function within({ folder: own, workdir }: Stage, path: string): string {
  return join(own, resolve(workdir, path));
}

function run(stage: Stage, command: string): void {
  const inside = command.replace(/(^|\s)\/data\b/g, `$1${stage.folder}/data`).replace("-o node -g node ", "");
  console.log(`  RUN ${command}`);
  const { status } = spawnSync("bash", ["-euc", inside], {
    cwd: within(stage, "."),
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
  const destination = within(stage, target);
  const isFolder = words.length > 1 || target.endsWith("/");
  for (const word of words) {
    const source = join(origin, word);
    // Of a folder COPY takes what is in it; links between workspaces stay links.
    const into = isFolder && !statSync(source).isDirectory() ? join(destination, basename(word)) : destination;
    cpSync(source, into, { recursive: true, verbatimSymlinks: true });
  }
}

function follow({ name, rest }: { name: string; rest: string }, stage: Stage): void {
  switch (name) {
    case "WORKDIR":
      stage.workdir = resolve(stage.workdir, rest);
      mkdirSync(within(stage, "."), { recursive: true });
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

/** What is run in the image: of a command by `node` what follows it, with the path that its program has here. */
function argumentsIn(stage: Stage, [program, path, ...rest]: readonly string[]): string[] {
  if (program !== "node") throw new Error(`what is run is ${program}`);
  return [within(stage, path), ...rest];
}

function start(stage: Stage, env: Environment, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [...argumentsIn(stage, stage.entrypoint), ...args], {
    cwd: within(stage, "."),
    env,
    stdio: ["ignore", "pipe", "inherit"],
    ...(process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {}),
  });
  children.push(child);
  return child;
}

/** Runs the image as a server, until `work` is done. It has to be healthy meanwhile, and not after that. */
async function serve(
  stage: Stage,
  env: Environment,
  args: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const server = start(stage, env, args);
  const ended = once(server, "close");
  for await (const text of server.stdout ?? []) {
    process.stdout.write(`  ${text}`);
    if (String(text).includes("ready: ")) break;
  }
  if (!isHealthy(stage, env)) throw new Error("it is not healthy");
  console.log("  healthy");
  await work();
  server.kill(stage.stopSignal);
  const [code] = await ended;
  if (code !== 0) throw new Error(`${stage.stopSignal} ended it with ${code}`);
  console.log(`  ${stage.stopSignal} ends it with 0`);
  if (isHealthy(stage, env)) throw new Error("it is healthy without a server");
}

function isHealthy(stage: Stage, env: Environment): boolean {
  return spawnSync(process.execPath, argumentsIn(stage, stage.healthCheck), { env }).status === 0;
}

/** The status of a write. */
async function write(headers: Readonly<Record<string, string>>): Promise<number> {
  const { status } = await fetch(`http://127.0.0.1:${PORT}/api/v1/command`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ command: "kv.set", payload: { key: "a", value: 1 } }),
  });
  return status;
}

async function createToken(stage: Stage, env: Environment): Promise<string> {
  const creation = start(stage, env, ["token", "create", "--name", "app", "--allow", "*"]);
  let printed = "";
  for await (const text of creation.stdout ?? []) printed += text;
  const token = /: (synap_\S+)\n$/.exec(printed)?.[1];
  if (token === undefined) throw new Error(`it makes no token: ${printed}`);
  console.log("  makes a token");
  return token;
}

/** Where the unprivileged user may read it. */
function copyCertificate(): Environment {
  const certificate = join(folder, "certificate");
  cpSync(join(ROOT, "server", "test", "access", "certificates"), certificate, { recursive: true });
  for (const name of readdirSync(certificate)) chmodSync(join(certificate, name), 0o644);
  return {
    SYNAP_ACCESS_TLS_CERT_FILE: join(certificate, "first.crt"),
    SYNAP_ACCESS_TLS_KEY_FILE: join(certificate, "first.key"),
  };
}

async function rehearse(): Promise<void> {
  const stage = build();
  const data = within(stage, "/data");
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
  await serve(stage, env, ["--insecure"], async () => {
    if ((await write({})) !== 200) throw new Error("it does not answer");
  });
  const token = await createToken(stage, env);
  await serve(stage, env, [], async () => {
    if ((await write({})) !== 401) throw new Error("it lets in who has no token");
    if ((await write({ authorization: `Bearer ${token}` })) !== 200) throw new Error("it does not know its token");
  });
  await serve(stage, { ...env, ...copyCertificate() }, [], async () => {});
  if (filesOf(stage.folder) !== before) throw new Error("it has written beside its data directory");
  if (readdirSync(data).length === 0) throw new Error("it has kept nothing");
  const { stdout } = spawnSync("du", ["-sm", within(stage, "/synap")], { encoding: "utf8" });
  console.log(`  ${stdout.split("\t")[0]} MB beside Node`);
}

try {
  await rehearse();
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, maxRetries: 5 });
}
