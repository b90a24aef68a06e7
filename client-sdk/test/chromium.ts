/** A headless Chromium that opens one page and is gone with the test. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The program's name, or undefined where there is none: client-sdk/scripts/install-chromium.sh installs it. */
export const chromium: string | undefined = NAMES.find((name) => spawnSync(name, ["--version"]).status === 0);

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #ended: Promise<unknown[]>;

  /** @param program `chromium`, where it is not undefined. */
  constructor(program: string, url: string) {
    this.#profile = mkdtempSync(join(tmpdir(), "synap-chromium-"));
    // Its own process group: it starts others, and they end with it.
    this.#child = spawn(program, [...FLAGS, `--user-data-dir=${this.#profile}`, url], {
      stdio: "ignore",
      detached: true,
    });
    this.#ended = once(this.#child, "close");
  }

  async end(): Promise<void> {
    const { pid, exitCode } = this.#child;
    if (pid !== undefined && exitCode === null) process.kill(-pid, "SIGKILL");
    await this.#ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}
