// The certificates of a local cluster: two authorities, serving and client certificates, and the service-account keys.

import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { certificateHosts } from "./addresses.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const lifetimeMs = 365 * 24 * 3_600_000;
/** Clocks of two machines differ; a certificate that begins a little earlier is valid on both. */
const backdatedMs = 3_600_000;

interface Authority {
  readonly certificate: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** Paths of one certificate and its key, PEM. */
export interface KeyPairFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Where the PEM files of a cluster lie. */
export interface CertificateFiles {
  /** Signs everything but the front proxy's certificate. */
  readonly authority: string;
  readonly frontProxyAuthority: string;
  readonly frontProxyClient: KeyPairFiles;
  readonly apiServer: KeyPairFiles;
  /** What the API server shows to kubelets. */
  readonly kubeletClient: KeyPairFiles;
  readonly kubelet: KeyPairFiles;
  readonly admin: KeyPairFiles;
  readonly controllerManager: KeyPairFiles;
  readonly scheduler: KeyPairFiles;
  /** Key pair that signs service-account tokens: the private key in `key`, the public one in `certificate`. */
  readonly serviceAccount: KeyPairFiles;
}

interface LeafOptions {
  readonly commonName: string;
  readonly organization?: string;
  /** Host names and addresses: a serving certificate. Absent: a client certificate. */
  readonly hosts?: readonly string[];
}

function pem(bytes: ArrayBuffer, tag: string): string {
  return `${PemConverter.encode(bytes, tag)}\n`;
}

function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - backdatedMs), notAfter: new Date(now + lifetimeMs) };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

async function makeAuthority(commonName: string): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${commonName}`,
      keys,
      signingAlgorithm: algorithm,
      ...validity(),
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
      ],
    },
    webcrypto,
  );
  return { certificate, keys };
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host);
}

/** Writes `NAME.crt` and `NAME.key` into `directory`, signed by `authority`. */
async function writeLeaf(
  directory: string,
  name: string,
  authority: Authority,
  options: LeafOptions,
): Promise<KeyPairFiles> {
  const keys = await newKeys();
  const organization = options.organization === undefined ? [] : [{ O: [options.organization] }];
  const usage = options.hosts === undefined ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth;
  const hosts = (options.hosts ?? []).map((host) => ({ type: isAddress(host) ? "ip" : "dns", value: host }) as const);
  const certificate = await X509CertificateGenerator.create(
    {
      subject: [...organization, { CN: [options.commonName] }],
      issuer: authority.certificate.subject,
      publicKey: keys.publicKey,
      signingKey: authority.keys.privateKey,
      signingAlgorithm: algorithm,
      ...validity(),
      extensions: [
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([usage]),
        ...(hosts.length > 0 ? [new SubjectAlternativeNameExtension(hosts)] : []),
      ],
    },
    webcrypto,
  );
  const files = { certificate: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
  await writeFile(files.certificate, `${certificate.toString("pem")}\n`);
  await writeFile(files.key, pem(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY"), {
    mode: 0o600,
  });
  return files;
}

async function writeServiceAccountKeys(directory: string): Promise<KeyPairFiles> {
  const keys = await newKeys();
  const files = { certificate: join(directory, "service-account.pub"), key: join(directory, "service-account.key") };
  await writeFile(files.certificate, pem(await webcrypto.subtle.exportKey("spki", keys.publicKey), "PUBLIC KEY"));
  await writeFile(files.key, pem(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY"), {
    mode: 0o600,
  });
  return files;
}

/** Makes every certificate and key of a new cluster in `directory`, which exists. `nodeNames` are the kubelets' names. */
export async function writeCertificates(directory: string, nodeNames: readonly string[]): Promise<CertificateFiles> {
  const authority = await makeAuthority("plimsoll-cluster");
  const frontProxy = await makeAuthority("plimsoll-front-proxy");
  const authorityFile = join(directory, "ca.crt");
  const frontProxyFile = join(directory, "front-proxy-ca.crt");
  await writeFile(authorityFile, `${authority.certificate.toString("pem")}\n`);
  await writeFile(frontProxyFile, `${frontProxy.certificate.toString("pem")}\n`);
  const leaf = (name: string, options: LeafOptions) => writeLeaf(directory, name, authority, options);
  const masters = "system:masters";
  return {
    authority: authorityFile,
    frontProxyAuthority: frontProxyFile,
    frontProxyClient: await writeLeaf(directory, "front-proxy-client", frontProxy, {
      commonName: "front-proxy-client",
    }),
    apiServer: await leaf("apiserver", { commonName: "kube-apiserver", hosts: certificateHosts.apiServer }),
    kubeletClient: await leaf("kubelet-client", { commonName: "apiserver-kubelet-client", organization: masters }),
    kubelet: await leaf("kubelet", {
      commonName: "process-node",
      hosts: [...certificateHosts.kubelet, ...nodeNames],
    }),
    admin: await leaf("admin", { commonName: "plimsoll-admin", organization: masters }),
    controllerManager: await leaf("controller-manager", { commonName: "system:kube-controller-manager" }),
    scheduler: await leaf("scheduler", { commonName: "system:kube-scheduler" }),
    serviceAccount: await writeServiceAccountKeys(directory),
  };
}
