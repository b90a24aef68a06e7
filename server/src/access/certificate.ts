/**
 * The certificate of this server, read from its files and looked at before it is used: what is wrong with it is told here in a
 * sentence, and not by the first client that cannot connect.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Logger } from "../runtime/logger.ts";
import { StartError } from "../runtime/start-error.ts";
import { messageOf, readNamed, stampOf } from "./watched-file.ts";

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM: the certificate, then those that lead to a root. */
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly expiresAtMs: number;
}

/** Told when it is read, and again at each read. */
const WARNING_MS = 14 * 86_400_000;

/** Throws `StartError`: which file, what is wrong with it, what to do. */
export async function readCertificate(certFile: string, keyFile: string, nowMs: number): Promise<Certificate> {
  const cert = await readNamed(certFile, "access.tls_cert_file");
  const key = await readNamed(keyFile, "access.tls_key_file");
  const certificate = parsedCertificate(cert, certFile);
  const privateKey = parsedKey(key, keyFile);
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new StartError(
      `The key in ${keyFile} is not that of the certificate in ${certFile}: give the two of one pair.`,
    );
  }
  const expiresAtMs = Date.parse(certificate.validTo);
  if (expiresAtMs <= nowMs) {
    throw new StartError(`The certificate in ${certFile} has expired on ${dayOf(expiresAtMs)}: renew it.`);
  }
  const beginsAtMs = Date.parse(certificate.validFrom);
  if (beginsAtMs > nowMs) {
    throw new StartError(
      `The certificate in ${certFile} is valid from ${dayOf(beginsAtMs)} on, and not yet: look at the clock.`,
    );
  }
  return { certFile, keyFile, cert, key, expiresAtMs };
}

function parsedCertificate(cert: Buffer, file: string): X509Certificate {
  try {
    return new X509Certificate(cert);
  } catch (cause) {
    throw new StartError(`${file} holds no certificate: it begins with -----BEGIN CERTIFICATE----- (PEM).`, { cause });
  }
}

function parsedKey(key: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (cause) {
    throw new StartError(
      `${file} holds no private key that can be used: it begins with -----BEGIN PRIVATE KEY----- (PEM), without a passphrase.`,
      { cause },
    );
  }
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

export interface CertificateParts {
  readonly certFile: string;
  readonly keyFile: string;
  readonly logger: Logger;
  readonly clock: { nowMs(): number };
}

/** The certificate as it is now: renewed files are taken up while the server runs. */
export class ServerCertificate {
  /** Whoever listens takes it for new connections. */
  onRenewed: (certificate: Certificate) => void = () => {};
  readonly #parts: CertificateParts;
  #current: Certificate;
  #stamp: string;
  #lastFailure = "";

  private constructor(parts: CertificateParts, current: Certificate, stamp: string) {
    this.#parts = parts;
    this.#current = current;
    this.#stamp = stamp;
  }

  /** Throws `StartError`. */
  static async read(parts: CertificateParts): Promise<ServerCertificate> {
    const { certFile, keyFile, clock } = parts;
    // Before they are read: what is renewed meanwhile is read again.
    const stamp = await stampOfPair(certFile, keyFile);
    const current = await readCertificate(certFile, keyFile, clock.nowMs());
    const certificate = new ServerCertificate(parts, current, stamp);
    certificate.#warn();
    return certificate;
  }

  get current(): Certificate {
    return this.#current;
  }

  /** Looks whether the files have changed. What cannot be used changes nothing, and is told once. */
  async reloadLater(): Promise<void> {
    const { certFile, keyFile, logger, clock } = this.#parts;
    try {
      const stamp = await stampOfPair(certFile, keyFile);
      if (stamp === this.#stamp) return;
      const renewed = await readCertificate(certFile, keyFile, clock.nowMs());
      const isSame = renewed.cert.equals(this.#current.cert) && renewed.key.equals(this.#current.key);
      if (!isSame) this.onRenewed(renewed);
      this.#current = renewed;
      this.#stamp = stamp;
      this.#lastFailure = "";
      // A copy of the same, or only the mode has changed: whoever listens would begin anew for nothing.
      if (isSame) return;
      logger.info(`the certificate in ${certFile} is in use, valid until ${dayOf(renewed.expiresAtMs)}`);
      this.#warn();
    } catch (error) {
      const failure = messageOf(error);
      if (failure !== this.#lastFailure) logger.error(`${failure} The certificate stays the one it was.`);
      this.#lastFailure = failure;
    }
  }

  #warn(): void {
    const { certFile, logger, clock } = this.#parts;
    const { expiresAtMs } = this.#current;
    if (expiresAtMs - clock.nowMs() < WARNING_MS) {
      logger.warn(
        `the certificate in ${certFile} expires on ${dayOf(expiresAtMs)}: renew it; it is read again by itself`,
      );
    }
  }
}

/** Where one of them is missing it differs from that of any two. */
async function stampOfPair(certFile: string, keyFile: string): Promise<string> {
  return `${await stampOf(certFile)}, ${await stampOf(keyFile)}`;
}
