import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { compressLarge, compressSmall, Gunzipper } from "./gzip.ts";

describe("compression", () => {
  it("is done at once for small bodies only", async () => {
    const small = compressSmall(Buffer.alloc(32 * 1024, "a"));
    expect(small && gunzipSync(small).length).toBe(32 * 1024);
    const large = Buffer.alloc(32 * 1024 + 1, "a");
    expect(compressSmall(large)).toBeUndefined();
    expect(gunzipSync(await compressLarge(large))).toEqual(large);
  });
});

describe("Gunzipper", () => {
  it("expands up to the limit and not one byte past it", async () => {
    const gunzipper = new Gunzipper(1000);
    expect(await gunzipper.expand(gzipSync("x".repeat(1000)))).toEqual(Buffer.from("x".repeat(1000)));
    expect(await gunzipper.expand(gzipSync("x".repeat(1001)))).toBe("too-large");
    expect(await gunzipper.expand(gzipSync(""))).toEqual(Buffer.alloc(0));
  });

  it("says of anything else that it is no gzip", async () => {
    const gunzipper = new Gunzipper(1000);
    const broken = gzipSync("a checksum protects this");
    broken[broken.length - 5] ^= 1;
    for (const body of [Buffer.from("plain"), Buffer.alloc(0), gzipSync("short").subarray(0, 12), broken]) {
      expect(await gunzipper.expand(body)).toBe("invalid");
    }
  });

  it("serves more bodies than it expands at a time, each with its own", async () => {
    const gunzipper = new Gunzipper(1000);
    const texts = Array.from({ length: 30 }, (_, i) => `body ${i}`);
    const expanded = await Promise.all(texts.map((text) => gunzipper.expand(gzipSync(text))));
    expect(expanded.map(String)).toEqual(texts);
  });
});
