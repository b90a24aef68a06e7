/** Text for a peer's binary address: 4 bytes `10.0.0.1`, 16 bytes `2001:db8:0:0:0:0:0:1`; an IPv4-mapped one as IPv4. */
export function addressText(binary: ArrayBuffer): string {
  const bytes = new Uint8Array(binary);
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "";
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i] * 256 + bytes[i + 1]).toString(16));
  return groups.join(":");
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** The same for the text that node:net has; empty where it knows none. */
export function plainAddress(text: string | undefined): string {
  return text === undefined ? "" : text.replace(/^::ffff:(?=\d+\.)/, "");
}
