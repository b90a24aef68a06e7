/** The program as people run it: small sizes, every way to be wrong, and what is left when it is broken off. */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommanderError } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readReport, refusalOf, run, runHere, RUN_MS_MAX as TIMEOUT_MS } from "../../test/program-run.ts";
import { buildProgram } from "./program.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "synap-benchmark-test-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe("arguments", () => {
  /** What commander says to these arguments, without a process. */
  async function refusal(...args: string[]): Promise<string> {
    const program = buildProgram();
    let said = "";
    for (const command of [program, ...program.commands]) {
      command
        .exitOverride()
        .configureOutput({ writeErr: (text) => (said += text), writeOut: (text) => (said += text) });
    }
    await expect(program.parseAsync(args, { from: "user" })).rejects.toBeInstanceOf(CommanderError);
    return said;
  }

  it("that are unknown or out of bounds say what is meant and allowed", async () => {
    expect(await refusal("qeue")).toContain("Did you mean queue?");
    expect(await refusal("kv", "--operatoins", "5")).toContain("Did you mean --operations?");
    expect(await refusal("kv", "--operations", "many")).toContain("a whole number of at least 1");
    expect(await refusal("kv", "--read-ratio", "2")).toContain("a number from 0 to 1");
    expect(await refusal("kv", "--protocol", "smtp")).toContain("ws, http, resp");
    expect(await refusal("kv", "--operations", "5", "--duration", "5")).toContain("cannot be used with");
    // They start servers of their own.
    for (const name of ["replication", "memory", "compare", "profile"]) {
      expect(await refusal(name, "--url", "http://127.0.0.1:1")).toContain("unknown option '--url'");
    }
    expect(await refusal("stream", "--events", "5", "--events-per-room", "5")).toContain("cannot be used with");
  });

  it("of every command are shown by --help", async () => {
    const page = await refusal("--help");
    for (const name of [
      "kv",
      "queue",
      "stream",
      "pubsub",
      "replication",
      "all",
      "compare",
      "baseline",
      "memory",
      "stress",
    ]) {
      expect(page).toContain(`  ${name}`);
    }
    expect(await refusal("queue", "--help")).toContain("--ack-deadline");
  });

  it("that do not go together are told in a sentence, with code 2", { timeout: TIMEOUT_MS }, async () => {
    const few = await run(["kv", "--operations", "10", "--batch", "100", "--clients", "2"]);
    expect(few.output).toContain(
      "--operations 10, 100 to a request (--batch), are fewer requests than there are connections",
    );
    expect(few.code).toBe(2);
  });

  it.each([
    [["kv", "--protocol", "http", "--pipeline", "4"], "--pipeline above 1 does not go with --protocol http"],
    [["queue", "--protocol", "http", "--pipeline", "4"], "take more --publishers"],
    [["pubsub", "--protocol", "http", "--pipeline", "4"], "take more --publishers"],
    [["queue", "--protocol", "resp", "--way", "batch"], "whose QPUBLISH and QACK are about one message each"],
    [["queue", "--protocol", "resp", "--way", "subscribed"], "what is pushed needs a WebSocket"],
    [["queue", "--protocol", "http", "--way", "subscribed"], "what is pushed needs a WebSocket"],
  ])("%j are refused before a server is started", async (args, sentence) => {
    expect(await refusalOf(args)).toContain(sentence);
  });
});

// skipped elsewhere: CPU time and memory are read from /proc
describe.skipIf(process.platform !== "linux")("a run", () => {
  it("of keys has figures, latencies, CPU of both sides, a timeline, and a page", { timeout: TIMEOUT_MS }, async () => {
    const [json, html] = [join(directory, "kv.json"), join(directory, "kv.html")];
    const sizes = ["--duration", "0.6", "--keys", "1000", "--rate", "500"];
    const { code, output } = await run(["kv", ...sizes, "--json", json, "--report", html]);
    expect(output).toContain("errors: none");
    expect(code).toBe(0);
    const [result] = readReport(json).results;
    expect(result.rows.find(({ what }) => what === "websocket, closed loop")?.value).toBeGreaterThan(100);
    expect(result.phases.map(({ name }) => name)).toEqual(["closed loop", "open loop"]);
    for (const { points, latencies, serverCores, clientCores } of result.phases) {
      expect(points.length).toBeGreaterThan(0);
      expect(latencies[0].latency.p50Ms).toBeGreaterThan(0);
      expect(latencies[0].latency.p50Ms).toBeLessThanOrEqual(latencies[0].latency.p999Ms);
      expect(serverCores).toBeGreaterThan(0);
      expect(clientCores).toBeGreaterThan(0);
    }
    expect(readFileSync(html, "utf8")).toContain("<svg");
  });

  it.each(["ws", "http"])(
    "of a number of operations over %s measures that many, whatever the warm-up was",
    { timeout: TIMEOUT_MS },
    async (protocol) => {
      const json = join(directory, `warm-${protocol}.json`);
      const sizes = ["--operations", "300", "--warmup", "0.2", "--keys", "200", "--loop", "closed"];
      await runHere(["kv", "--protocol", protocol, ...sizes, "--json", json]);
      expect(readReport(json).results[0].phases.map(({ done }) => done)).toEqual([300]);
    },
  );

  it.each([
    [
      "replication",
      "--replicas",
      "1",
      "--write-rate",
      "500",
      "--read-rate",
      "500",
      "--keys",
      "500",
      "--duration",
      "0.5",
      "--warmup",
      "0.2",
    ],
    ["stress", "--duration", "1", "--kv-rate", "1000", "--queue-rate", "500", "--connections", "20", "--keys", "500"],
  ])("of %s checks its deliveries", { timeout: TIMEOUT_MS, concurrent: true }, async (name, ...sizes) => {
    const json = join(directory, `${name}.json`);
    const { code, output } = await run([name, ...sizes, "--json", json]);
    expect(output).not.toContain("not complete");
    expect(code).toBe(0);
    const [{ scenario, errors, deliveries, phases }] = readReport(json).results;
    expect(scenario).toBe(name);
    expect(errors).toEqual({});
    expect(deliveries?.expected).toBeGreaterThan(0);
    expect(phases.length).toBeGreaterThan(0);
  });

  it("that is broken off reports what was measured so far", { timeout: TIMEOUT_MS }, async () => {
    const file = join(directory, "broken.html");
    const interrupt = (child: ChildProcess) => child.kill("SIGINT");
    const args = ["kv", "--duration", "50", "--keys", "1000", "--report", file];
    const { code, output } = await run(args, [/closed loop: .*operations\/s/, interrupt]);
    expect(output).toMatch(/closed loop, \d+\.\d s of it \| [\d,]+ operations\/s/);
    expect(output).toContain("broken off by a signal");
    expect(readFileSync(file, "utf8")).toContain("Not complete");
    expect(code).toBe(130);
  });
});

// skipped elsewhere: as above
describe.skipIf(process.platform !== "linux")("a server", () => {
  it("that is down or no Synap is told in a sentence, with code 2", { timeout: TIMEOUT_MS }, async () => {
    const other = createServer((_request, response) => response.end("hello"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const url = `http://127.0.0.1:${port}`;
    const stranger = await run(["kv", "--url", url]);
    await new Promise((resolve) => other.close(resolve));
    expect(stranger.output).toContain(`${url} answers, but not as a Synap server does`);
    expect(stranger.code).toBe(2);
    expect(await refusalOf(["kv", "--url", url])).toContain(`nobody answers at ${url}`);
  });

  it("whose RESP nobody named is not written to before that is said", { timeout: TIMEOUT_MS }, async () => {
    // As an empty Synap: its health, and the three lists that say that it holds nothing.
    const empty = { service: "synap", success: true, payload: { size: 0, queues: [], rooms: [] } };
    const server = createServer((_request, response) => response.end(JSON.stringify(empty)));
    let socketsAsked = 0;
    server.on("upgrade", (_request, socket) => {
      socketsAsked++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : undefined}`;
    const refusal = await refusalOf(["kv", "--protocol", "resp", "--url", url]);
    await new Promise((resolve) => server.close(resolve));
    expect(refusal).toContain(`${url} is an address of HTTP: say where its RESP is with --resp-port PORT`);
    expect(socketsAsked).toBe(0);
  });

  it("that dies in the middle is told, beside what was measured", { timeout: TIMEOUT_MS }, async () => {
    const killServer = (child: ChildProcess) => {
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ");
      const server = children.find((pid) =>
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("server/dist/main.js"),
      );
      process.kill(Number(server), "SIGKILL");
    };
    const args = ["kv", "--duration", "50", "--keys", "1000"];
    const { code, output } = await run(args, [/closed loop: .*operations\/s/, killServer]);
    expect(output).toContain("the server ended in the middle of the run, by SIGKILL");
    expect(output).toMatch(/closed loop, \d+\.\d s of it/);
    expect(code).toBe(2);
  });
});
