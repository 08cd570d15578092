// Versions: read from what programs print, and compared with what is accepted.

import { describe, expect, test } from "vitest";
import { binaryNames, catalogue, isAccepted, parseVersion } from "./catalogue.ts";

const printed: Record<string, [text: string, version: number[] | undefined]> = {
  "kube-apiserver --version": ["Kubernetes v1.36.3", [1, 36, 3]],
  "kubectl version --client": ["Client Version: v1.36.3\nKustomize Version: v5.7.1", [1, 36, 3]],
  "etcd --version": ["etcd Version: 3.6.8\nGit SHA: abc\nGo Version: go1.26.8", [3, 6, 8]],
  "prometheus --version from Debian": ["prometheus, version 2.42.0+ds (branch: debian/sid)", [2, 42, 0]],
  "a pre-release": ["Kubernetes v1.37.0-alpha.1", [1, 37, 0]],
  "a build without a version": ["prometheus, version  (branch: , revision: unknown)", undefined],
};

test.each(Object.entries(printed))("%s is understood", (_name, [text, version]) => {
  expect(parseVersion(text)).toEqual(version);
});

describe("isAccepted", () => {
  test.each([
    ["kube-apiserver", "1.36.0", true],
    ["kube-apiserver", "1.36.99", true],
    ["kube-apiserver", "1.35.4", false],
    ["kube-apiserver", "1.37.0", false],
    ["kube-apiserver", "2.36.0", false],
    ["kubectl", "1.35.0", true],
    ["kubectl", "1.37.2", true],
    ["kubectl", "1.32.4", false],
    ["etcd", "3.6.0", true],
    ["etcd", "3.5.21", false],
    ["etcd", "4.0.0", false],
    ["prometheus", "2.42.0", true],
    ["prometheus", "3.15.0", true],
    ["prometheus", "2.39.1", false],
  ] as const)("%s %s: %s", (name, version, accepted) => {
    expect(isAccepted(catalogue[name], parseVersion(version)!)).toBe(accepted);
  });

  test.each(binaryNames)("the version of %s that is built is accepted", (name) => {
    expect(isAccepted(catalogue[name], parseVersion(catalogue[name].version)!)).toBe(true);
  });
});
