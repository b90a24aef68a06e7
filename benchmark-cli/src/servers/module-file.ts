import { fileURLToPath } from "node:url";

const isBuilt = import.meta.url.endsWith(".js");

/** The file of one of our modules that is started as a process, which is built where this one is. */
export function moduleFile(module: URL): string {
  const file = fileURLToPath(module);
  return isBuilt ? file.replace(/\.ts$/, ".js") : file;
}
