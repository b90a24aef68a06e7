/** How many segments the log has on disk, and how long they are: for those who look at a server. */
import { type FileSystem, isMissing } from "./file-system.ts";
import { listSegments } from "./log-file-reader.ts";

export class LogFiles {
  count = 0;
  bytes = 0;
  readonly #files: FileSystem;
  readonly #directory: string;

  constructor(files: FileSystem, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  async measure(): Promise<void> {
    const segments = await listSegments(this.#files, this.#directory);
    let bytes = 0;
    for (const { name } of segments) bytes += await this.#sizeOf(name);
    this.count = segments.length;
    this.bytes = bytes;
  }

  /** 0 for one that was removed meanwhile. */
  async #sizeOf(name: string): Promise<number> {
    try {
      const file = await this.#files.open(`${this.#directory}/${name}`, "read");
      try {
        return await file.size();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error)) return 0;
      throw error;
    }
  }
}
