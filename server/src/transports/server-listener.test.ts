import { createServer } from "node:net";
import { expect, it } from "vitest";
import { listenOn } from "./server-listener.ts";

it("goes on when connections cannot be accepted, and tells of each kind of failure once", async () => {
  const listener = createServer();
  const told: Error[] = [];
  await listenOn(listener, "127.0.0.1", 0, (error) => told.push(error));
  const failures = ["EMFILE", "EMFILE", "ENFILE"].map((code) => Object.assign(new Error(code), { code }));
  for (const failure of failures) listener.emit("error", failure);
  expect(told).toEqual([failures[0], failures[2]]);
  expect(listener.listening).toBe(true);
  listener.close();
});
