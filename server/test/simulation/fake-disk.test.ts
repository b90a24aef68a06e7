import { describe, expect, it } from "vitest";
import { FakeDisk } from "./fake-disk.ts";
import { Scheduler } from "./scheduler.ts";
import { SeededChoices } from "./seeded-choices.ts";

const BYTES = 2048;

function disk(seed: number, capacityBytes = 2 ** 20) {
  const scheduler = new Scheduler();
  const fake = new FakeDisk({ name: "a", scheduler, choices: new SeededChoices(seed), capacityBytes, trace: () => {} });
  /** Lets time pass until it is done. */
  const done = async <T>(promise: Promise<T>): Promise<T> => {
    let isDone = false;
    const settled = promise.finally(() => {
      isDone = true;
    });
    settled.catch(() => undefined);
    while (!isDone && (await scheduler.step()));
    return settled;
  };
  return { fake, done };
}

/** A file with `old` synced and its name too, then `changed` written over it; what a machine that ends then leaves. */
async function leftOf(seed: number, changed: number, isSynced: boolean): Promise<Uint8Array | undefined> {
  const { fake, done } = disk(seed);
  const files = fake.mount();
  const file = await done(files.open("d/f", "create"));
  await done(file.write(new Uint8Array(BYTES).fill(1), 0));
  await done(file.sync());
  await done(files.syncDirectory("d"));
  await done(file.write(new Uint8Array(BYTES).fill(changed), 0));
  if (isSynced) await done(file.sync());
  fake.powerFailure();
  return fake.names.find("d/f")?.bytes;
}

const SEEDS = Array.from({ length: 100 }, (_, seed) => seed);

describe("a power failure", () => {
  it("takes nothing back that was synced", async () => {
    for (const seed of SEEDS) expect(await leftOf(seed, 2, true)).toEqual(new Uint8Array(BYTES).fill(2));
  });

  it("leaves of what was not synced all, nothing, and any mixture, also within a sector", async () => {
    const sums = new Set<number>();
    for (const seed of SEEDS) {
      const left = await leftOf(seed, 2, false);
      expect(left).toHaveLength(BYTES);
      sums.add(left?.reduce((sum, byte) => sum + byte, 0) ?? 0);
    }
    expect(sums).toContain(BYTES);
    expect(sums).toContain(2 * BYTES);
    expect([...sums].filter((sum) => sum % 512 === 0 && sum > BYTES && sum < 2 * BYTES)).not.toEqual([]);
    expect([...sums].filter((sum) => sum % 512 !== 0)).not.toEqual([]);
  });

  it("may take a name back until its directory is synced", async () => {
    const found = new Set<string>();
    for (const seed of SEEDS) {
      const { fake, done } = disk(seed);
      const files = fake.mount();
      const file = await done(files.open("d/f.tmp", "create"));
      await done(file.sync());
      await done(files.syncDirectory("d"));
      await done(files.rename("d/f.tmp", "d/f"));
      if (seed % 2 === 0) await done(files.syncDirectory("d"));
      fake.powerFailure();
      found.add(`${seed % 2} ${fake.names.paths.join()}`);
    }
    expect([...found].sort()).toEqual(["0 d/f", "1 d/f", "1 d/f.tmp"]);
  });
});

it("a killed process leaves what it has written, and what was under way in part", async () => {
  const lengths = new Set<number>();
  for (const seed of SEEDS) {
    const { fake, done } = disk(seed);
    const file = await done(fake.mount().open("d/f", "create"));
    await done(file.write(new Uint8Array(100).fill(1), 0));
    void file.write(new Uint8Array(100).fill(1), 100);
    fake.killed();
    const left = fake.names.find("d/f")?.bytes;
    expect(left?.every((byte) => byte === 1)).toBe(true);
    lengths.add(left?.length ?? 0);
  }
  expect(lengths).toContain(100);
  expect(lengths).toContain(200);
  expect(lengths.size).toBeGreaterThan(10);
});

it("a full disk refuses to grow a file, and takes what is within it", async () => {
  const { fake, done } = disk(1, 1000);
  const file = await done(fake.mount().open("d/f", "create"));
  await done(file.write(new Uint8Array(900), 0));
  await expect(done(file.write(new Uint8Array(200), 900))).rejects.toMatchObject({ code: "ENOSPC" });
  await done(file.write(new Uint8Array(200), 0));
  fake.failsNextSync = true;
  await expect(done(file.sync())).rejects.toMatchObject({ code: "EIO" });
  await done(file.sync());
});
