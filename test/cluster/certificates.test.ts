// The certificates of a cluster, checked by OpenSSL through node:crypto.

import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CertificateFiles, writeCertificates } from "./certificates.ts";

let folder = "";
let files: CertificateFiles;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "certificates-test-"));
  files = await writeCertificates(folder, ["node-a"]);
});
afterAll(() => rm(folder, { recursive: true }));

async function read(path: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(path));
}

test.each([
  "apiServer",
  "kubelet",
  "kubeletClient",
  "admin",
  "controllerManager",
  "scheduler",
  "frontProxyClient",
] as const)("%s is signed by its authority, valid now, and has its own key", async (name) => {
  const certificate = await read(files[name].certificate);
  const authority = await read(name === "frontProxyClient" ? files.frontProxyAuthority : files.authority);
  expect(authority.ca).toBe(true);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.checkIssued(authority)).toBe(true);
  expect(certificate.validFromDate.getTime()).toBeLessThan(Date.now());
  expect(certificate.validToDate.getTime()).toBeGreaterThan(Date.now());
  expect(certificate.checkPrivateKey(createPrivateKey(await readFile(files[name].key)))).toBe(true);
  expect((await stat(files[name].key)).mode & 0o077).toBe(0);
});

test("the front proxy's authority is another one: its clients may name any user", async () => {
  const [authority, frontProxy] = [await read(files.authority), await read(files.frontProxyAuthority)];
  expect(frontProxy.fingerprint256).not.toBe(authority.fingerprint256);
});

test.each([
  ["apiServer", ["10.10.0.1", "10.96.0.1", "127.0.0.1"], ["kubernetes.default.svc", "localhost"]],
  ["kubelet", ["10.10.0.1"], ["node-a"]],
] as const)("%s is valid for its addresses and names, and for no other", async (name, addresses, hosts) => {
  const certificate = await read(files[name].certificate);
  for (const address of addresses) expect(certificate.checkIP(address)).toBe(address);
  for (const host of hosts) expect(certificate.checkHost(host)).toBe(host);
  expect(certificate.checkIP("10.10.0.2")).toBeUndefined();
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
});

test.each([
  ["admin", "O=system:masters\nCN=plimsoll-admin"],
  ["kubeletClient", "O=system:masters\nCN=apiserver-kubelet-client"],
  ["controllerManager", "CN=system:kube-controller-manager"],
  ["scheduler", "CN=system:kube-scheduler"],
  ["frontProxyClient", "CN=front-proxy-client"],
] as const)("%s is a client named %s", async (name, subject) => {
  const certificate = await read(files[name].certificate);
  expect(certificate.subject).toBe(subject);
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
});

test("what the service-account key signs, its public half verifies", async () => {
  const privateKey = createPrivateKey(await readFile(files.serviceAccount.key));
  const publicKey = createPublicKey(await readFile(files.serviceAccount.certificate));
  const signature = sign("sha256", Buffer.from("token"), privateKey);
  expect(verify("sha256", Buffer.from("token"), publicKey, signature)).toBe(true);
});
