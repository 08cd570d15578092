// TLS as the kubeconfig says: the server is checked against its authority, and we show our certificate.

import { webcrypto } from "node:crypto";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKubeClient } from "./client.ts";
import { namespaces } from "./resource-types.ts";
import { answerJson, kubeConfigFor } from "./testing.ts";

interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function issue(commonName: string, issuer?: Identity): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const common = {
    serialNumber: Buffer.from(commonName).toString("hex"),
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: algorithm,
    extensions: issuer
      ? [new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])]
      : [new x509.BasicConstraintsExtension(true, 1, true)],
  };
  const certificate = issuer
    ? await x509.X509CertificateGenerator.create({
        ...common,
        subject: `CN=${commonName}`,
        issuer: issuer.certificate.subject,
        publicKey: keys.publicKey,
        signingKey: issuer.keys.privateKey,
      })
    : await x509.X509CertificateGenerator.createSelfSigned({ ...common, name: `CN=${commonName}`, keys });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { cert: certificate.toString("pem"), key, keys, certificate };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

let authority: Identity;
let stranger: Identity;
let user: Identity;
let server: https.Server;
let url: string;

beforeAll(async () => {
  authority = await issue("authority");
  stranger = await issue("stranger");
  user = await issue("operator", authority);
  const serving = await issue("serving", authority);
  server = https.createServer(
    { cert: serving.cert, key: serving.key, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
    ({ socket }, response) => {
      const subject = (socket as TLSSocket).getPeerCertificate().subject;
      answerJson(response, 200, { metadata: { name: subject?.CN ?? "nobody" } });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function whoAmI(cluster: object, identity: object = {}): Promise<string | undefined> {
  const client = createKubeClient({
    kubeConfig: kubeConfigFor({ server: url, ...cluster }, identity),
    userAgent: "test",
  });
  try {
    return (await client.get(namespaces, { name: "a" }))?.metadata?.name;
  } finally {
    client.close();
  }
}

describe("TLS", () => {
  test("the user's certificate is shown to a server of the cluster's authority", async () => {
    const identity = { certData: base64(user.cert), keyData: base64(user.key) };
    expect(await whoAmI({ caData: base64(authority.cert) }, identity)).toBe("operator");
    expect(await whoAmI({ caData: base64(authority.cert) })).toBe("nobody");
  });

  test("a server of another authority is refused before anything is sent", async () => {
    await expect(whoAmI({ caData: base64(stranger.cert) }, { token: "secret" })).rejects.toMatchObject({
      code: "CONNECTION_ERROR",
      cause: { code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) as string },
    });
    await expect(whoAmI({}, { token: "secret" })).rejects.toMatchObject({ code: "CONNECTION_ERROR" });
  });

  test("a kubeconfig without a usable context is refused with its name", () => {
    const kubeConfig = kubeConfigFor({ server: url });
    kubeConfig.setCurrentContext("elsewhere");
    expect(() => createKubeClient({ kubeConfig, userAgent: "test" })).toThrow(
      'kubeconfig: current-context "elsewhere" names no cluster',
    );
  });
});
