// Certificates as a TLS client sees them, and when they are replaced.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { describe, expect, test } from "vitest";
import {
  type Authority,
  authorityNeedsRenewal,
  checkAuthority,
  createAuthority,
  issueServingCertificate,
  type ServingCertificate,
  servingNeedsRenewal,
} from "./certificate.ts";

const name = "plimsoll-external-metrics.plimsoll-system.svc";
const longName = `plimsoll-external-metrics.${"n".repeat(63)}.svc`;
const dayMs = 24 * 60 * 60 * 1000;
const nowMs = Date.now();
const first = await createAuthority(nowMs);
const serving = await issueServingCertificate(first, [name, longName], nowMs);

/** Undefined when a client that trusts `bundle` accepts the certificate for `servername`; else its complaint. */
async function complaint({ certificate, key }: ServingCertificate, bundle: readonly string[], servername: string) {
  const server = createServer({ cert: certificate, key });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: "127.0.0.1", port, servername, ca: [...bundle] });
  try {
    await once(client, "secureConnect");
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    client.destroy();
    server.close();
  }
}

describe("a client", () => {
  test.each<
    [sentence: string, bundle: () => Promise<readonly string[]>, servername: string, expected: string | undefined]
  >([
    ["accepts the certificate for the Service's name", async () => first.certificates, name, undefined],
    ["accepts a name longer than a common name", async () => first.certificates, longName, undefined],
    ["refuses another name", async () => first.certificates, "kubernetes.default.svc", "ERR_TLS_CERT_ALTNAME_INVALID"],
    [
      "refuses it under another authority",
      async () => (await createAuthority(nowMs)).certificates,
      name,
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    ],
    [
      "accepts it while the authority is being replaced",
      async () => (await createAuthority(nowMs, first.certificates)).certificates,
      name,
      undefined,
    ],
  ])("%s", async (_sentence, bundle, servername, expected) => {
    expect(await complaint(serving, await bundle(), servername)).toBe(expected);
  });

  test("accepts the next authority's certificate by the bundle of both", async () => {
    const next = await createAuthority(nowMs, first.certificates);
    expect(
      await complaint(await issueServingCertificate(next, [name], nowMs), next.certificates, name),
    ).toBeUndefined();
  });

  test("accepts the certificate when its clock is half an hour behind", async () => {
    const fast = await createAuthority(nowMs + dayMs / 48);
    const issued = await issueServingCertificate(fast, [name], nowMs + dayMs / 48);
    expect(await complaint(issued, fast.certificates, name)).toBeUndefined();
  });
});

describe("replacing", () => {
  test.each<[sentence: string, days: number, serving: boolean, authority: boolean]>([
    ["nothing at first", 0, false, false],
    ["nothing 61 days before the certificate ends", 304, false, false],
    ["the certificate 60 days before it ends", 305.1, true, false],
    ["not the authority more than two years before it ends", 2919, true, false],
    ["the authority two years before it ends", 2920.1, true, true],
    ["both long after", 4000, true, true],
  ])("%s", (_sentence, days, renewServing, renewAuthority) => {
    const then = nowMs + days * dayMs;
    expect([servingNeedsRenewal(serving, first, then), authorityNeedsRenewal(first, then)]).toEqual([
      renewServing,
      renewAuthority,
    ]);
  });

  test("the certificate when the authority was replaced", async () => {
    expect(servingNeedsRenewal(serving, await createAuthority(nowMs, first.certificates), nowMs)).toBe(true);
  });

  test("the authority keeps trusting the old one until that has ended", async () => {
    const second = await createAuthority(nowMs + 3000 * dayMs, first.certificates);
    expect(second.certificates).toHaveLength(2);
    expect(second.certificates[1]).toBe(first.certificates[0]);
    const third = await createAuthority(nowMs + 3651 * dayMs, second.certificates);
    expect(third.certificates.slice(1)).toEqual([second.certificates[0]]);
  });
});

describe("an authority is unusable when", () => {
  test.each<[sentence: string, change: (other: Authority) => Authority]>([
    ["the key is another's", (other) => ({ ...first, key: other.key })],
    ["the key is missing", () => ({ ...first, key: "" })],
    [
      "the certificate is damaged",
      () => ({ ...first, certificates: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] }),
    ],
  ])("%s", async (_sentence, change) => {
    await expect(checkAuthority(change(await createAuthority(nowMs)))).rejects.toThrow();
  });

  test("and usable as it was made", async () => {
    await expect(checkAuthority(first)).resolves.toBeUndefined();
  });
});
