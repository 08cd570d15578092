// The server's own certification authority and the certificates it issues. The moment is always an argument.

import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** A certification authority: its certificates, and the key of the newest one. */
export interface Authority {
  /** PEM, newest first; the older ones are still trusted, so that a change of authority interrupts nothing. */
  readonly certificates: readonly [string, ...string[]];
  /** PKCS #8 PEM of the first certificate's key. */
  readonly key: string;
}

/** What the server shows its clients. */
export interface ServingCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PKCS #8 PEM. */
  readonly key: string;
  /** PEM of the authority that issued it. */
  readonly issuer: string;
  readonly notAfterMs: number;
}

const dayMs = 24 * 60 * 60 * 1000;
const authorityLifetimeMs = 3650 * dayMs;
const servingLifetimeMs = 365 * dayMs;
// Well above a serving certificate's lifetime, so that none outlives the authority that issued it.
const authorityRenewalMs = 730 * dayMs;
const servingRenewalMs = 60 * dayMs;
// The clocks of the control plane and of this machine may differ.
const clockSkewMs = 60 * 60 * 1000;

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A new authority that goes on trusting those of `previous` that have not expired. */
export async function createAuthority(nowMs: number, previous: readonly string[] = []): Promise<Authority> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=plimsoll external metrics authority ${new Date(nowMs).toISOString()}`,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter: new Date(nowMs + authorityLifetimeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const trusted = previous.filter((pem) => new x509.X509Certificate(pem).notAfter.getTime() > nowMs);
  return { certificates: [pemOf(certificate), ...trusted], key: await exportKey(keys) };
}

/** Throws when the parts are no certificates and key, or do not belong together. */
export async function checkAuthority(authority: Authority): Promise<void> {
  const [newest] = authority.certificates.map((pem) => new x509.X509Certificate(pem));
  if (newest === undefined) throw new Error("the authority has no certificate");
  const key = await importKey(authority.key);
  const probe = new Uint8Array([1]);
  const signature = await crypto.subtle.sign(algorithm, key, probe);
  const publicKey = await newest.publicKey.export(algorithm, ["verify"]);
  if (!(await crypto.subtle.verify(algorithm, publicKey, signature, probe))) {
    throw new Error("the authority's key does not belong to its certificate");
  }
}

export function authorityNeedsRenewal({ certificates: [newest] }: Authority, nowMs: number): boolean {
  return new x509.X509Certificate(newest).notAfter.getTime() - nowMs < authorityRenewalMs;
}

/** A certificate for the names under which clients reach the server. */
export async function issueServingCertificate(
  authority: Authority,
  dnsNames: readonly [string, ...string[]],
  nowMs: number,
): Promise<ServingCertificate> {
  const [issuer] = authority.certificates;
  const issuerCertificate = new x509.X509Certificate(issuer);
  const keys = await generateKeys();
  const notAfterMs = nowMs + servingLifetimeMs;
  const certificate = await x509.X509CertificateGenerator.create({
    // Clients read the DNS names; a common name may not be as long as those.
    subject: "CN=plimsoll external metrics",
    issuer: issuerCertificate.subject,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter: new Date(notAfterMs),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(dnsNames.map((value) => ({ type: "dns", value }))),
      await x509.AuthorityKeyIdentifierExtension.create(issuerCertificate.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), key: await exportKey(keys), issuer, notAfterMs };
}

/** True when the certificate ends soon, or another authority has become the newest. */
export function servingNeedsRenewal(serving: ServingCertificate, authority: Authority, nowMs: number): boolean {
  return serving.issuer !== authority.certificates[0] || serving.notAfterMs - nowMs < servingRenewalMs;
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

async function exportKey({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", privateKey), "PRIVATE KEY")}\n`;
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  return crypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(pem), algorithm, false, ["sign"]);
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}
