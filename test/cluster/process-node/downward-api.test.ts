// Tests of the downward API.

import type { Container, Pod } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { type PodFacts, readField, readResource } from "./downward-api.ts";

const pod: Pod = {
  metadata: {
    name: "resnet-1",
    namespace: "vision",
    uid: "u-1",
    labels: { b: "2", a: 'say "hi"' },
    annotations: { "example.com/note": "x" },
  },
  spec: { nodeName: "node-plain", serviceAccountName: "default", containers: [] },
};
const facts: PodFacts = {
  pod,
  podAddress: "10.244.0.7",
  hostAddress: "10.10.0.1",
  nodeCapacity: { cpu: "10", memory: "16Gi" },
};

describe("readField", () => {
  test.each([
    ["metadata.name", "resnet-1"],
    ["metadata.namespace", "vision"],
    ["metadata.uid", "u-1"],
    ["metadata.labels['b']", "2"],
    ["metadata.labels['missing']", ""],
    ["metadata.annotations['example.com/note']", "x"],
    ["metadata.labels", 'a="say \\"hi\\""\nb="2"'],
    ["spec.nodeName", "node-plain"],
    ["spec.serviceAccountName", "default"],
    ["status.podIP", "10.244.0.7"],
    ["status.hostIP", "10.10.0.1"],
  ])("%s is %j", (path, value) => {
    expect(readField(path, facts)).toBe(value);
  });

  test("an unknown field is refused with those that are known", () => {
    expect(() => readField("spec.hostname", facts)).toThrow("use one of metadata.name");
  });
});

describe("readResource", () => {
  const container: Container = {
    name: "server",
    resources: { requests: { cpu: "200m" }, limits: { cpu: "300m", memory: "1Gi" } },
  };
  test.each([
    ["limits.cpu", undefined, "1"],
    ["limits.cpu", "1m", "300"],
    ["limits.cpu", "100m", "3"],
    ["requests.cpu", "1m", "200"],
    ["limits.memory", undefined, `${2 ** 30}`],
    ["limits.memory", "1Mi", "1024"],
    ["requests.memory", undefined, "0"],
  ])("%s by %s is %s", (resource, divisor, value) => {
    expect(readResource({ resource, ...(divisor !== undefined && { divisor }) }, container, facts)).toBe(value);
  });

  test("a limit that is not set is the node's capacity", () => {
    expect(readResource({ resource: "limits.cpu" }, { name: "server" }, facts)).toBe("10");
  });

  test("another kind of resource is refused", () => {
    expect(() => readResource({ resource: "cpu" }, container, facts)).toThrow("use limits.NAME or requests.NAME");
  });
});
