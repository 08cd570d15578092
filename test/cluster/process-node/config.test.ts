// Tests of the process node's configuration file.

import { describe, expect, test } from "vitest";
import { type ProcessNodeConfigInput, processNodeConfigSchema } from "./config.ts";

const smallest: ProcessNodeConfigInput = {
  nodes: [{ name: "node-plain", capacity: { cpu: "10" } }],
  images: { "plimsoll/server:dev": ["node", "/src/main.ts"] },
  dataDirectory: "/tmp/cluster/pods",
  cgroupParent: "plimsoll-cluster",
  kubeletCertificate: { cert: "/pki/kubelet.crt", key: "/pki/kubelet.key", clientCA: "/pki/ca.crt" },
};

describe("configuration", () => {
  test("what is left out is as in a real cluster", () => {
    expect(processNodeConfigSchema.parse(smallest)).toMatchObject({
      nodes: [{ labels: {}, taints: [] }],
      hostAddress: "10.10.0.1",
      podCidr: "10.244.0.0/16",
      kubeletPort: 10_250,
      restartBackOff: { initialSeconds: 10, maxSeconds: 300, resetAfterSeconds: 600 },
    });
  });

  test.each<[string, object, string]>([
    ["no nodes", { nodes: [] }, "nodes"],
    ["an image without words", { images: { a: [] } }, "images.a"],
    ["a relative data directory", { dataDirectory: "pods" }, "dataDirectory"],
    ["a control group that leads elsewhere", { cgroupParent: "../other" }, "cgroupParent"],
    ["an address that is none", { hostAddress: "localhost" }, "hostAddress"],
    [
      "a taint effect that does not exist",
      { nodes: [{ name: "a", capacity: {}, taints: [{ key: "k", effect: "None" }] }] },
      "nodes.0.taints.0.effect",
    ],
  ])("%s is refused, and the field named", (_sentence, changes, field) => {
    const result = processNodeConfigSchema.safeParse({ ...smallest, ...changes });
    expect(result.error?.issues.map(({ path }) => path.join("."))).toEqual([field]);
  });
});
