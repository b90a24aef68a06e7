/** A record that cannot be applied leaves state half changed: the process must end, and no reply may leave it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ownEnvironment } from "../own-environment.ts";

const stateMachine = new URL("../../dist/state/state-machine.js", import.meta.url);
const program = new URL("../../dist/main.js", import.meta.url);

/** The real program, with an `apply` that always fails. */
const planted = `
  const { StateMachine } = await import(${JSON.stringify(stateMachine.href)});
  StateMachine.prototype.applyStaged = () => { throw new Error("planted"); };
  process.argv = [process.execPath, "synap-server", "--no-persistence", "--port", "0", "--set", "logging.format=json"];
  await import(${JSON.stringify(program.href)});
`;

const children: ReturnType<typeof spawn>[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function startBroken() {
  const child = spawn(process.execPath, ["--input-type=module", "-e", planted], {
    env: ownEnvironment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const ready = / ready: (http:\S+) /.exec(line);
      if (ready !== null) resolve(ready[1]);
    });
    lines.once("close", () => reject(new Error("it ended before it was ready")));
  });
  return { url, closed };
}

const setKey = JSON.stringify({ command: "kv.set", payload: { key: "a", value: 1 } });

it("ends the process with 1 after a failed apply over HTTP, without a reply", async () => {
  const { url, closed } = await startBroken();
  const request = fetch(`${url}/api/v1/command`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: setKey,
  });
  await expect(request).rejects.toThrow();
  expect(await closed).toEqual([1, null]);
});

it("ends the process with 1 after a failed apply over a WebSocket, without a reply", async () => {
  const { url, closed } = await startBroken();
  const socket = new WebSocket(`${url.replace("http", "ws")}/api/v1/ws`);
  const messages: unknown[] = [];
  socket.on("message", (data) => messages.push(data));
  socket.on("error", () => socket.terminate());
  socket.once("open", () => socket.send(setKey));
  expect(await closed).toEqual([1, null]);
  expect(messages).toEqual([]);
});
