/** Figures that the server's own metrics page has. */

/** @returns the value of a metric without labels, or of its first series. */
export async function readMetrics<const Name extends string>(
  port: number,
  names: readonly Name[],
): Promise<Record<Name, number>> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const values = names.map((name) => {
    const line = page.split("\n").find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
    if (line === undefined) throw new Error(`the metrics page has no ${name}`);
    return [name, Number(line.slice(line.lastIndexOf(" ") + 1))];
  });
  // Every name was just read.
  return Object.fromEntries(values) as Record<Name, number>;
}

/** The parts of the memory that the server accounts for, by name. */
export async function readComponents(port: number): Promise<Record<string, number>> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lines = page.matchAll(/^synap_memory_component_bytes\{component="([^"]+)"\} (\S+)/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]));
}
