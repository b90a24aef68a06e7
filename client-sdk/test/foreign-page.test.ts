/** A page of another origin, in a real browser on the server's own machine: it can neither read nor write a key. */
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, expect, it } from "vitest";
import { connect } from "../src/index.ts";
import { Chromium, chromium } from "./chromium.ts";
import { ServerProcess } from "./server-process.ts";

/**
 * Runs in the page, and posts what each attempt came to. Whatever it may learn of `secret` or write to `written` would be in
 * there, or in the store.
 */
const PAGE_PROGRAM = `
  const query = new URLSearchParams(location.search);
  const http = query.get("http");
  const resp = query.get("resp");
  const set = JSON.stringify({ command: "kv.set", payload: { key: "written", value: 1 } });
  const get = JSON.stringify({ command: "kv.get", payload: { key: "secret" } });
  const command = http + "/api/v1/command";
  const words = "SET written 1\\r\\nSET written 1\\r\\n";
  const post = (url, body, type, mode = "cors") =>
    fetch(url, { method: "POST", body, mode, headers: type === undefined ? {} : { "content-type": type } }).then((r) => r.text());
  const form = (url, enctype, name) => {
    const frame = document.createElement("iframe");
    frame.name = "frame" + Math.random();
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, { method: "POST", action: url, enctype, target: frame.name });
    const input = document.createElement("input");
    Object.assign(input, { name, value: "" });
    form.append(input);
    document.body.append(form);
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
    form.submit();
    return Promise.race([loaded, new Promise((resolve) => setTimeout(resolve, 2000))]).then(() => frame.contentDocument?.body?.innerText);
  };
  const socket = (text) => new Promise((resolve, reject) => {
    const ws = new WebSocket(http.replace("http", "ws") + "/api/v1/ws");
    ws.onopen = () => ws.send(text);
    ws.onmessage = ({ data }) => resolve(data);
    ws.onerror = () => reject(new Error("no socket"));
  });
  const events = () => new Promise((resolve, reject) => {
    const source = new EventSource(http + "/api/v1/events?room=room&from_offset=0");
    source.onmessage = ({ data }) => resolve(data);
    source.onerror = () => reject(new Error("no stream"));
  });
  const image = () => new Promise((resolve, reject) => {
    const img = new Image();
    img.onload = () => resolve("loaded");
    img.onerror = () => reject(new Error("no image"));
    img.src = http + "/metrics";
  });
  const attempts = {
    "read by fetch": () => post(command, get, "application/json"),
    "write by fetch": () => post(command, set, "application/json"),
    "write as plain text": () => post(command, set, "text/plain"),
    "write without a type": () => post(command, set),
    "write blindly": () => post(command, set, "text/plain", "no-cors"),
    "write by a form": () => form(command, "text/plain", set),
    "write by a beacon": () => Promise.resolve(String(navigator.sendBeacon(command, new Blob([set], { type: "text/plain" })))).then(() => ""),
    "read by a socket": () => socket(get),
    "write by a socket": () => socket(set),
    "read a room": events,
    "read a page": () => fetch(http + "/health").then((r) => r.text()),
    "see an image": image,
    "write to the port of Redis": () => post(resp, words, "text/plain", "no-cors"),
    "write to it by a form": () => form(resp, "text/plain", words),
  };
  async function main() {
    const results = {};
    for (const [name, attempt] of Object.entries(attempts)) {
      results[name] = await attempt().then((text) => text || "nothing", () => "nothing");
    }
    return results;
  }
  main().then((results) => fetch("/result", { method: "POST", body: JSON.stringify(results) }));
`;

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // It listens on TCP.
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

// skipped where there is no Chromium: client-sdk/scripts/install-chromium.sh installs it
describe.skipIf(chromium === undefined)(
  "a page of another origin (scripts/install-chromium.sh installs a browser)",
  () => {
    it("can neither read nor write a key", async () => {
      let told: (results: unknown) => void = () => {};
      const results = new Promise((resolve) => (told = resolve));
      const pages = createServer((request, response) => {
        let body = "";
        request.on("data", (chunk: Buffer) => {
          body += chunk.toString();
        });
        request.on("end", () => {
          if (request.method === "POST") told(JSON.parse(body));
          response.setHeader("content-type", "text/html; charset=utf-8");
          response.end(`<!doctype html><body><script type="module">${PAGE_PROGRAM}</script>`);
        });
      });
      pages.listen(0, "127.0.0.1");
      await once(pages, "listening");
      // It listens on TCP.
      const { port } = pages.address() as { port: number };
      const respPort = await freePort();
      const server = await ServerProcess.start({ flags: ["--resp-port", String(respPort)] });
      const synap = await connect(server.url);
      await synap.kv.set("secret", "the secret");
      await synap.stream.getOrCreate("room");
      await synap.stream.publish("room", "e", "the secret");
      const query = new URLSearchParams({ http: server.url, resp: `http://127.0.0.1:${respPort}` });
      const page = `http://127.0.0.1:${port}/?${query}`;
      const browser = new Chromium(String(chromium), page);
      try {
        const found = Object.entries((await results) as Record<string, string>);
        expect(found).toHaveLength(14);
        for (const [attempt, text] of found) expect([attempt, text]).toEqual([attempt, "nothing"]);
        expect(await synap.kv.get("written")).toBeNull();
      } finally {
        await browser.end();
        await synap.close();
        pages.closeAllConnections();
        pages.close();
        await server.end();
      }
    }, 60_000);
  },
);
