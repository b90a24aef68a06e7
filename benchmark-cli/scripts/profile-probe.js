/**
 * Loaded into a server before its program (`node --import`): profiles its CPU between two words from its parent, and writes
 * a snapshot of its heap at a third.
 */
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { writeHeapSnapshot } from "node:v8";

const INTERVAL_US = 200;
const session = new Session();
session.connect();

const acts = {
  async begin() {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
    await session.post("Profiler.start");
  },
  async end(file) {
    const { profile } = await session.post("Profiler.stop");
    writeFileSync(file, JSON.stringify(profile));
  },
  async heap(file) {
    writeHeapSnapshot(file);
  },
};

process.on("message", async ({ act, file }) => {
  await acts[act](file);
  process.send({ done: act });
});
