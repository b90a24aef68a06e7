/** key.object: how a key is kept. */
import { TAG_INTEGER, TAG_NAMES, type Value } from "../../state/value.ts";
import { named } from "../access-rule.ts";
import { readCommand } from "../command.ts";
import { parseDecimal } from "../kv/integer.ts";
import { byteLengthOf } from "../kv/value-bytes.ts";
import { Choice, Integer, Key, Nullable, Struct, ValueType } from "../schema.ts";

/** The longest string that Redis keeps in one piece with its header. */
const EMBEDDED_BYTES_MAX = 44;

export const keyObject = readCommand({
  name: "key.object",
  access: "read",
  guard: named("key"),
  shows: "keys",
  summary: "Answers how a key is kept, without counting as an access to it; null for a missing key.",
  arguments: Struct({ key: Key() }),
  reply: Nullable(
    Struct({
      type: ValueType(),
      encoding: Choice(["int", "embstr", "raw"], { description: "How Redis would keep the value." }),
      bytes: Integer({ description: "Length of the value." }),
      memory_bytes: Integer({
        description: "What key and value take in the store; 0 while a batch has only planned them.",
      }),
      idle_ms: Nullable(Integer(), { description: "Since the last access; null unless the eviction policy is lru." }),
      frequency: Nullable(Integer(), {
        description: "Logarithmic count of accesses, 0 to 255; null unless the eviction policy is lfu.",
      }),
    }),
  ),
  read(args, { keys }) {
    const entry = keys.peek(args.key);
    if (entry === undefined) return null;
    const { bytes, idleMs = null, frequency = null } = keys.storageOf(entry);
    const { value } = entry;
    return {
      type: TAG_NAMES[value.tag],
      encoding: encodingOf(value),
      bytes: byteLengthOf(value),
      memory_bytes: bytes,
      idle_ms: idleMs,
      frequency,
    };
  },
});

function encodingOf(value: Value): "int" | "embstr" | "raw" {
  if (value.tag === TAG_INTEGER || parseDecimal(value) !== undefined) return "int";
  return value.length <= EMBEDDED_BYTES_MAX ? "embstr" : "raw";
}
