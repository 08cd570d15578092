// For tests: a front proxy's authority and certificates with one thing wrong at a time.

import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 24 * 60 * 60 * 1000;

export interface Identity {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface ClientOptions {
  readonly commonName?: string;
  /** Days from now. */
  readonly validDays?: readonly [from: number, to: number];
  readonly usage?: "clientAuth" | "serverAuth";
}

export function makeAuthority(commonName: string, issuer?: Identity): Promise<Identity> {
  return issue(commonName, [-1, 30], issuer, [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
  ]);
}

export function makeClient(issuer: Identity, options: ClientOptions = {}): Promise<Identity> {
  const { commonName = "front-proxy-client", validDays = [-1, 1], usage = "clientAuth" } = options;
  return issue(commonName, validDays, issuer, [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[usage]])]);
}

async function issue(
  commonName: string,
  [from, to]: readonly [number, number],
  issuer: Identity | undefined,
  extensions: x509.Extension[],
): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${commonName}`,
    issuer: issuer?.certificate.subject ?? `CN=${commonName}`,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() + from * dayMs),
    notAfter: new Date(Date.now() + to * dayMs),
    extensions,
  });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { certificate, keys, cert: `${certificate.toString("pem")}\n`, key: `${key}\n` };
}
