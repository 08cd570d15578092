// From pods to Prometheus' targets.

import type { Pod } from "kubernetes-types/core/v1.js";
import { expect, test } from "vitest";
import { scrapeTargets } from "./scrape-targets.ts";

function pod(change: { containers?: NonNullable<Pod["spec"]>["containers"]; status?: Pod["status"] } = {}): Pod {
  return {
    metadata: {
      namespace: "vision",
      name: "resnet-1",
      uid: "u",
      labels: { "serving.plimsoll.dev/inference-service": "resnet" },
      annotations: { "prometheus.io/scrape": "true" },
    },
    spec: {
      nodeName: "node-a",
      containers: change.containers ?? [{ name: "server", ports: [{ name: "http", containerPort: 8080 }] }],
    },
    status: change.status ?? { phase: "Running", podIP: "10.244.0.2" },
  };
}

test("a pod's port is a target with the labels of Prometheus' own discovery", () => {
  expect(scrapeTargets([pod()])).toEqual([
    {
      targets: ["10.244.0.2:8080"],
      labels: {
        __meta_kubernetes_namespace: "vision",
        __meta_kubernetes_pod_name: "resnet-1",
        __meta_kubernetes_pod_uid: "u",
        __meta_kubernetes_pod_ip: "10.244.0.2",
        __meta_kubernetes_pod_phase: "Running",
        __meta_kubernetes_pod_node_name: "node-a",
        __meta_kubernetes_pod_label_serving_plimsoll_dev_inference_service: "resnet",
        __meta_kubernetes_pod_annotation_prometheus_io_scrape: "true",
        __meta_kubernetes_pod_container_name: "server",
        __meta_kubernetes_pod_container_port_number: "8080",
        __meta_kubernetes_pod_container_port_name: "http",
      },
    },
  ]);
});

test.each([
  ["a pod without an address is no target", pod({ status: { phase: "Pending" } }), []],
  [
    "each port of each container is a target",
    pod({
      containers: [
        { name: "server", ports: [{ containerPort: 8080 }, { containerPort: 9000 }] },
        { name: "sidecar", ports: [{ containerPort: 1 }] },
      ],
    }),
    ["10.244.0.2:8080", "10.244.0.2:9000", "10.244.0.2:1"],
  ],
  ["a container without ports is its pod's bare address", pod({ containers: [{ name: "server" }] }), ["10.244.0.2"]],
])("%s", (_sentence, input, targets) => {
  expect(scrapeTargets([input]).flatMap((group) => group.targets)).toEqual(targets);
});
