/**
 * Messages arrive in buffers that are used again, and escaped keys are unpacked into one that is. What was looked up for
 * one message must never answer for another whose key lies at the same place.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Fixture } from "../../test/dispatcher-fixture.ts";

/** All of one length, so that they come to lie at the same places; those with a line feed are escaped in JSON. */
const key = fc.constantFrom("\na", "\nb", "aa", "ab");
const value = fc.constantFrom("1", "2", "\n");
const request = fc.oneof(
  fc.record({ command: fc.constantFrom("kv.get", "kv.del"), payload: fc.record({ key }) }),
  fc.record({ command: fc.constantFrom("kv.getset", "kv.cas"), payload: fc.record({ key, value }) }),
  fc.record({
    command: fc.constant("kv.mget"),
    payload: fc.record({ keys: fc.array(key, { minLength: 1, maxLength: 3 }) }),
  }),
);
type Request = typeof request extends fc.Arbitrary<infer Each> ? Each : never;
interface Payload {
  readonly key?: string;
  readonly value?: string;
  readonly keys?: readonly string[];
}

/** What the command answers and does to a Map. */
function expected(model: Map<string, string>, { command, payload }: Request): unknown {
  const { key: name = "", value: given = "", keys = [] }: Payload = payload;
  const before = model.get(name) ?? null;
  switch (command) {
    case "kv.get":
      return { success: true, payload: before };
    case "kv.del":
      return { success: true, payload: { deleted: model.delete(name) } };
    case "kv.getset":
      model.set(name, given);
      return { success: true, payload: before };
    case "kv.mget":
      return { success: true, payload: { values: keys.map((each) => model.get(each) ?? null) } };
    default:
      // kv.cas without an expectation is refused when it runs, its key looked up in vain.
      return expect.objectContaining({ code: "INVALID_PAYLOAD" });
  }
}

it("answers each message by its own keys", () => {
  const fixture = new Fixture();
  const buffer = Buffer.alloc(512);
  fc.assert(
    fc.property(
      fc.array(fc.array(request, { minLength: 1, maxLength: 4 }), { minLength: 8, maxLength: 30 }),
      (messages) => {
        const model = new Map<string, string>();
        fixture.run("kv.del", { keys: ["\na", "\nb", "aa", "ab"] });
        for (const commands of messages) {
          const wanted = commands.map((each) => expected(model, each));
          if (commands.length === 1) expect(fixture.send(commands[0], buffer).body).toEqual(wanted[0]);
          else expect(fixture.send({ commands }, buffer).body.results).toEqual(wanted);
        }
      },
    ),
    { numRuns: 200 },
  );
});

it("knows no key of a batch once the batch is done", () => {
  const fixture = new Fixture();
  fixture.run("kv.set", { key: "\na", value: "of another client" });
  fixture.send({
    commands: [
      { command: "kv.get", payload: { key: "\na" } },
      { command: "kv.cas", payload: { key: "q", value: 1 } },
    ],
  });
  expect(fixture.run("kv.get", { key: "\nx" }).body).toEqual({ success: true, payload: null });
  expect(fixture.run("kv.del", { key: "\nx" }).body).toEqual({ success: true, payload: { deleted: false } });
});
