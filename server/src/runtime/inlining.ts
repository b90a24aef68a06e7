/**
 * Lets V8 inline more than it would by itself. A command passes through some thirty small functions, of which V8 inlines what
 * comes to 920 bytes of bytecode, and calls the others: that is a twentieth to a tenth of a write
 * (`npx tsx server/bench/dispatch/resp-bursts.ts`). What it costs is time of the compiler's thread at the start, which where there is
 * one CPU is taken from the first commands. So it is not more than that gains something.
 */
import { setFlagsFromString } from "node:v8";

/** Of one function that is inlined, and of all of them in a place, in bytes of bytecode. V8 has 460 and 920. */
const FUNCTION_BYTES_MAX = 1000;
const PLACE_BYTES_MAX = 2000;

/** Concerns what is optimized from here on, so it comes first. */
export function inlineMore(): void {
  setFlagsFromString(`--max-inlined-bytecode-size=${FUNCTION_BYTES_MAX}`);
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${PLACE_BYTES_MAX}`);
}
