// How the ConfigMap that kube-apiserver publishes is read.

import { describe, expect, test } from "vitest";
import { makeAuthority } from "./front-proxy-certificates.ts";
import { FrontProxyTrustError, parseFrontProxyTrust } from "./front-proxy-trust.ts";

const first = await makeAuthority("first");
const second = await makeAuthority("second");

const published = {
  "client-ca-file": "not ours to read",
  "requestheader-client-ca-file": `# the front proxy\n${first.cert}\n${second.cert}`,
  "requestheader-allowed-names": '["front-proxy-client"]',
  "requestheader-username-headers": '["X-Remote-User"]',
  "requestheader-uid-headers": '["X-Remote-Uid"]',
  "requestheader-group-headers": '["X-Remote-Group"]',
  "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
};

test("names the authorities, the allowed names and the headers in lower case", () => {
  expect(parseFrontProxyTrust(published)).toEqual({
    authorities: [first.cert, second.cert],
    allowedNames: ["front-proxy-client"],
    usernameHeaders: ["x-remote-user"],
    uidHeaders: ["x-remote-uid"],
    groupHeaders: ["x-remote-group"],
    extraHeaderPrefixes: ["x-remote-extra-"],
  });
});

test("no allowed names means any name, no uid headers no uid", () => {
  const { "requestheader-uid-headers": _, ...older } = { ...published, "requestheader-allowed-names": "" };
  const { allowedNames, uidHeaders } = parseFrontProxyTrust(older);
  expect({ allowedNames, uidHeaders }).toEqual({ allowedNames: [], uidHeaders: [] });
});

describe("nobody is trusted when", () => {
  test.each<[sentence: string, change: Record<string, string>, message: string]>([
    ["there is no authority", { "requestheader-client-ca-file": "" }, "holds no certificate"],
    [
      "an authority is damaged",
      { "requestheader-client-ca-file": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
      "cannot be read",
    ],
    ["no header names the user", { "requestheader-username-headers": "[]" }, "names no header"],
    ["a list is not JSON", { "requestheader-allowed-names": "front-proxy-client" }, "is not JSON"],
    ["a list is a word", { "requestheader-group-headers": '"X-Remote-Group"' }, "is not a JSON list"],
    ["a list holds a number", { "requestheader-allowed-names": "[1]" }, "is not a JSON list"],
    [
      "a prefix is empty and would match every header",
      { "requestheader-extra-headers-prefix": '[""]' },
      "is not a JSON list",
    ],
  ])("%s", (_sentence, change, message) => {
    const parse = () => parseFrontProxyTrust({ ...published, ...change });
    expect(parse).toThrow(FrontProxyTrustError);
    expect(parse).toThrow(message);
  });
});
