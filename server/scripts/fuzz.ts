/**
 * `npm run fuzz -w server -- [MESSAGES [SEED]]`: broken messages of each format, a million if it does not say, and as many WebSocket
 * frames over each transport, with the memory that it took. Ends at the first thing found, with its seed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeToken } from "../src/access/token.ts";
import { TokenFile } from "../src/access/token-file.ts";
import { configFromFlags } from "../src/config/load.ts";
import { nodeFileSystem } from "../src/oplog/node-file-system.ts";
import { silentLogger } from "../src/runtime/logger.ts";
import { startServer } from "../src/server.ts";
import { FORMATS, fuzz } from "../test/fuzz/fuzz.ts";
import { fuzzFrames, OWNERS_ALLOW } from "../test/fuzz/fuzz-frames.ts";

const SLICE = 50_000;
const messages = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31));
if (!Number.isSafeInteger(messages) || !Number.isSafeInteger(seed))
  throw new Error("give whole numbers: MESSAGES SEED");
console.log(`seed ${seed}`);
for (const format of FORMATS) {
  const { answers, peakMb } = await inSlices(async (sliceSeed, count) => fuzz(format, sliceSeed, count).successes);
  console.log(`${format}: ${messages} messages, ${answers} successes, at most ${peakMb.toFixed(0)} MB resident`);
}
for (const transport of ["native", "portable"]) await fuzzTransport(transport);

async function fuzzTransport(transport: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "synap-fuzz-"));
  const path = join(directory, "tokens.json");
  const flags = ["--transport", transport, "--no-persistence", "--port", "0", "--set", `access.tokens_file=${path}`];
  const tokens = await ownersTokens(new TokenFile(path, nodeFileSystem.makeDirectory));
  const server = await startServer(configFromFlags(...flags), silentLogger);
  const { answers, peakMb } = await inSlices(
    async (sliceSeed, count) => (await fuzzFrames(server.url, tokens, sliceSeed, count)).answers,
  );
  console.log(`frames, ${transport}: ${messages}, ${answers} answers, at most ${peakMb.toFixed(0)} MB resident`);
  await server.stop();
  rmSync(directory, { recursive: true });
}

async function ownersTokens(file: TokenFile): Promise<readonly [string, string]> {
  const made = OWNERS_ALLOW.map((allow, owner) => {
    const token = makeToken({ name: `owner-${owner}`, allow: [...allow], expiresAtMs: Number.POSITIVE_INFINITY }, 0);
    if (typeof token === "string") throw new Error(token);
    return token;
  });
  await file.update(() => made.map(({ record }) => record));
  const [first, second] = made.map(({ text }) => text);
  return [first, second];
}

async function inSlices(run: (sliceSeed: number, count: number) => Promise<number>) {
  let answers = 0;
  let peakMb = 0;
  for (let done = 0; done < messages; done += SLICE) {
    answers += await run(seed + done, Math.min(SLICE, messages - done));
    peakMb = Math.max(peakMb, process.memoryUsage().rss / 2 ** 20);
  }
  return { answers, peakMb };
}
