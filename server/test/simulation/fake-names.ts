/** The names on the fake disk (fake-disk.ts): as the system sees them, and those that a power failure leaves for certain. */
import { FakeFile } from "./fake-file.ts";
import type { SeededChoices } from "./seeded-choices.ts";

/** A change of names that may be lost. */
export interface NameChange {
  readonly paths: readonly string[];
  apply(names: Map<string, FakeFile>): void;
}

export class FakeNames {
  readonly #names = new Map<string, FakeFile>();
  readonly #durable = new Map<string, FakeFile>();
  readonly #directories = new Set<string>();
  /** In order. */
  #journal: NameChange[] = [];

  find(path: string): FakeFile | undefined {
    return this.#names.get(path);
  }

  list(directory: string): string[] {
    const under = [...this.#names.keys(), ...this.#directories].filter((path) => directoryOf(path) === directory);
    return under.map((path) => path.slice(directory.length + 1));
  }

  /** Those that have a name, or may have one again. */
  files(): FakeFile[] {
    return [...new Set([...this.#names.values(), ...this.#durable.values()])];
  }

  get paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** A directory without files is nothing that could be lost. */
  makeDirectory(path: string): void {
    this.#directories.add(path);
  }

  create(path: string): FakeFile {
    const file = new FakeFile();
    this.#change([path], (names) => names.set(path, file));
    return file;
  }

  rename(from: string, to: string): void {
    const file = this.#names.get(from);
    if (file === undefined) throw new Error(`there is no ${from}`);
    this.#change([from, to], (names) => {
      names.delete(from);
      names.set(to, file);
    });
  }

  remove(path: string): void {
    if (this.#names.has(path)) this.#change([path], (names) => names.delete(path));
  }

  #change(paths: readonly string[], apply: (names: Map<string, FakeFile>) => void): void {
    const change = { paths, apply };
    apply(this.#names);
    this.#journal.push(change);
  }

  /** What a sync of this directory that begins now makes durable: its changes, and those that they build on. */
  unsynced(directory: string): ReadonlySet<NameChange> {
    const needed = new Set<string>();
    const synced = new Set<NameChange>();
    for (const change of [...this.#journal].reverse()) {
      const isPart = change.paths.some((path) => directoryOf(path) === directory || needed.has(path));
      if (!isPart) continue;
      synced.add(change);
      for (const path of change.paths) needed.add(path);
    }
    return synced;
  }

  sync(changes: ReadonlySet<NameChange>): void {
    for (const change of this.#journal) if (changes.has(change)) change.apply(this.#durable);
    this.#journal = this.#journal.filter((change) => !changes.has(change));
  }

  /** Each change is kept or lost; one that builds on a lost one is lost. */
  crash(choices: SeededChoices): void {
    const keptShare = choices.pick([0, 0.5, 1]);
    const lost = new Set<string>();
    for (const change of this.#journal) {
      if (choices.chance(keptShare) && !change.paths.some((path) => lost.has(path))) change.apply(this.#durable);
      else for (const path of change.paths) lost.add(path);
    }
    this.#journal = [];
    this.#names.clear();
    for (const [path, file] of this.#durable) this.#names.set(path, file);
  }
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
