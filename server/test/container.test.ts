/**
 * The files for containers, held against the server that they start: no container engine is needed. `npm run rehearse-image -w
 * server` does what the Dockerfile says.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readCommandLine } from "../src/config/command-line.ts";
import { checkListenAddress, isLoopback, loadConfig } from "../src/config/load.ts";
import type { Config } from "../src/config/schema.ts";

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly depends_on?: unknown;
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const compose: Compose = parse(read("server/docker-compose.yml"), { merge: true });
const dockerfile = read("server/Dockerfile").replace(/\\\n\s*/g, "");
const image = Object.fromEntries(
  [...dockerfile.matchAll(/^ENV (.*)$/gm)].flatMap(([, line]) =>
    [...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  ),
);
const services = Object.entries(compose.services);
const nodes = services.filter(([, { build }]) => build !== undefined);
const NAMES = ["master", "replica-1", "replica-2", "replica-3"];

/** What the server makes of its arguments and its environment in the container. */
async function configOf({ command = [], environment = {} }: Service): Promise<Config> {
  const env = { ...image, ...environment };
  const { config } = await loadConfig(readCommandLine(command, env), env, Number.POSITIVE_INFINITY);
  return config;
}

/** `127.0.0.1:15501:15500` -> `15500` */
const portsIn = ({ ports }: Service): number[] => ports.map((port) => Number(port.split(":").at(-1)));
const mountsOf = ({ volumes }: Service): (readonly [string, string])[] =>
  volumes.map((volume) => {
    const [from, to] = volume.split(":");
    return [from, to];
  });

describe("docker-compose.yml", () => {
  it("has a master and three replicas", () => {
    expect(nodes.map(([name]) => name)).toEqual(NAMES);
  });

  it.each(nodes)("starts %s with flags and variables that the server knows", async (name, service) => {
    const { server, protocol, persistence, access, replication } = await configOf(service);
    expect(server.host).toBe("0.0.0.0");
    expect(access.insecure).toBe(true);
    expect([server.port, protocol.respPort]).toEqual(expect.arrayContaining(portsIn(service)));
    expect(mountsOf(service)).toEqual([[name, persistence.directory]]);
    // Other containers call it by its name.
    expect(access.allowedHosts).toContain(name);
    expect(replication.role).toBe(name === "master" ? "master" : "replica");
    if (name !== "master") expect(replication.masterUrl).toBe("http://master:15500");
    expect(service.read_only).toBe(true);
    expect(Number.parseInt(service.stop_grace_period ?? "0", 10)).toBeGreaterThan(server.shutdownGraceSecs);
  });

  it("builds what is there", () => {
    for (const [, { build }] of nodes) {
      expect(existsSync(join(root, "server", build?.context ?? "", build?.dockerfile ?? ""))).toBe(true);
    }
  });

  it.each(services)("publishes the ports of %s on this machine alone, and each once", (_, { ports }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    const all = services.flatMap(([, service]) => service.ports.map((port) => port.split(":")[1]));
    for (const port of ports) expect(all.filter((each) => each === port.split(":")[1])).toHaveLength(1);
  });

  it.each(services)("mounts for %s what is there", (_, service) => {
    for (const [from] of mountsOf(service)) {
      if (from.startsWith(".")) expect(existsSync(join(root, "server", from)), from).toBe(true);
      else expect(compose.volumes).toHaveProperty(from);
    }
  });

  it("pins the images that it does not build", () => {
    const others = services.filter(([, { build }]) => build === undefined);
    for (const [, service] of others) expect(service.image).toMatch(/^[a-z/-]+:v?\d+\.\d+\.\d+$/);
  });

  it("has Prometheus scrape every node, by a name that it answers to, with the alert rules", () => {
    const { prometheus } = compose.services;
    const config = parse(read("grafana/prometheus.yml"));
    expect(config.scrape_configs[0].static_configs[0].targets).toEqual(NAMES.map((name) => `${name}:15500`));
    const mounts = mountsOf(prometheus);
    const folder = "/etc/prometheus";
    expect(mounts).toContainEqual(["../grafana/prometheus.yml", `${folder}/prometheus.yml`]);
    for (const file of config.rule_files) expect(mounts).toContainEqual([`../grafana/${file}`, `${folder}/${file}`]);
  });

  it("has Grafana ask Prometheus, and show the dashboard", () => {
    const [source] = parse(read("grafana/provisioning/datasources/prometheus.yml")).datasources;
    const { hostname, port } = new URL(source.url);
    expect(portsIn(compose.services[hostname])).toContain(Number(port));
    const [provider] = parse(read("grafana/provisioning/dashboards/synap.yml")).providers;
    const mounts = mountsOf(compose.services.grafana);
    expect(mounts).toContainEqual(["../grafana/provisioning", "/etc/grafana/provisioning"]);
    expect(mounts.map(([, to]) => to)).toContain(`${provider.options.path}/synap-dashboard.json`);
    // Rates need four scrapes, and Grafana is told here how far apart they are.
    expect(source.jsonData.timeInterval).toBe(parse(read("grafana/prometheus.yml")).global.scrape_interval);
  });
});

describe("the Dockerfile", () => {
  it("copies what is there, or what a stage before it has made", () => {
    for (const [, from, paths] of dockerfile.matchAll(/^COPY (--from=\w+ )?(.*)$/gm)) {
      const sources = paths.split(" ").slice(0, -1);
      if (from === undefined) for (const source of sources) expect(existsSync(join(root, source)), source).toBe(true);
      else expect(dockerfile).toContain(` AS ${from.trim().slice("--from=".length)}\n`);
    }
  });

  it("runs the program as nobody in particular, and exposes its ports", async () => {
    const { server, protocol, persistence } = await configOf({
      image: "",
      command: ["--insecure"],
      ports: [],
      volumes: [],
    });
    expect(dockerfile).toContain(`EXPOSE ${server.port} ${protocol.respPort}`);
    expect(dockerfile).toContain(`VOLUME ${persistence.directory}`);
    expect(dockerfile).toMatch(/^USER node$/m);
    for (const run of [/^ENTRYPOINT (.*)$/m, /^HEALTHCHECK .* CMD (.*)$/m]) {
      const [, path]: string[] = JSON.parse(run.exec(dockerfile)?.[1] ?? "[]");
      expect(existsSync(join(root, path.replace("/synap/", "")))).toBe(true);
    }
  });

  it("does not listen beyond its machine unless it is told to", async () => {
    const config = await configOf({ image: "", ports: [], volumes: [] });
    expect(isLoopback(config.server.host)).toBe(false);
    // Nor without a token: what the server asks at its start, with the tokens that it has found.
    expect(() => checkListenAddress(config, false)).toThrow("--insecure");
    expect(() => checkListenAddress(config, true)).not.toThrow();
  });
});
