import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLogger } from "../runtime/logger.ts";
import { ServerCertificate } from "./certificate.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "synap-certificate-"));
});
afterEach(() => rm(directory, { recursive: true }));

async function use(name: string): Promise<void> {
  const folder = fileURLToPath(new URL("../../test/access/certificates/", import.meta.url));
  for (const end of ["crt", "key"]) await copyFile(join(folder, `${name}.${end}`), join(directory, `server.${end}`));
}

it("is renewed where its files hold another, and not where they only look as if they had changed", async () => {
  await use("first");
  const [certFile, keyFile] = [join(directory, "server.crt"), join(directory, "server.key")];
  const clock = { nowMs: () => Date.now() };
  const certificate = await ServerCertificate.read({ certFile, keyFile, logger: silentLogger, clock });
  const renewed: Buffer[] = [];
  certificate.onRenewed = ({ cert }) => renewed.push(cert);
  await chmod(keyFile, 0o640);
  await certificate.reloadLater();
  await use("first");
  await certificate.reloadLater();
  expect(renewed).toEqual([]);
  await use("second");
  await certificate.reloadLater();
  await certificate.reloadLater();
  expect(renewed).toEqual([certificate.current.cert]);
  await use("first");
  await certificate.reloadLater();
  expect(renewed).toHaveLength(2);
});
