// Prometheus' configuration: which pods are scraped, and under which labels. The rules are run as Prometheus runs them.

import { expect, test } from "vitest";
import { prometheusConfig } from "./prometheus.ts";

interface Relabeling {
  readonly source_labels: string[];
  readonly separator?: string;
  readonly regex?: string;
  readonly replacement?: string;
  readonly target_label?: string;
  readonly action?: "keep" | "drop";
}

const config = JSON.parse(prometheusConfig(2)) as {
  global: Record<string, string>;
  scrape_configs: { job_name: string; relabel_configs: Relabeling[] }[];
};

/** The target's labels after the job's rules, or `undefined` when it is dropped. */
function relabel(job: string, labels: Record<string, string>): Record<string, string> | undefined {
  const rules = config.scrape_configs.find(({ job_name }) => job_name === job)?.relabel_configs ?? [];
  const result = { ...labels };
  for (const rule of rules) {
    const value = rule.source_labels.map((name) => result[name] ?? "").join(rule.separator ?? ";");
    const match = new RegExp(`^(?:${rule.regex ?? "(.*)"})$`, "s").exec(value);
    if (rule.action === "keep" && match === null) return undefined;
    if (rule.action === "drop" && match !== null) return undefined;
    if (rule.target_label === undefined || match === null) continue;
    result[rule.target_label] = (rule.replacement ?? "$1").replaceAll(
      /\$(\d)/g,
      (_all, group) => match[Number(group)] ?? "",
    );
  }
  return Object.fromEntries(
    Object.entries(result).filter(
      ([name]) => !name.startsWith("__") || name === "__address__" || name === "__metrics_path__",
    ),
  );
}

const modelPod = {
  __address__: "10.244.0.2:8080",
  __meta_kubernetes_namespace: "vision",
  __meta_kubernetes_pod_name: "resnet-predictor-1",
  __meta_kubernetes_pod_ip: "10.244.0.2",
  __meta_kubernetes_pod_phase: "Running",
  __meta_kubernetes_pod_container_port_name: "http",
  __meta_kubernetes_pod_label_serving_plimsoll_dev_inference_service: "resnet",
  __meta_kubernetes_pod_label_serving_plimsoll_dev_revision: "abc",
};

test("a model pod is scraped under the labels that the operator reads", () => {
  expect(relabel("plimsoll-models", modelPod)).toEqual({
    __address__: "10.244.0.2:8080",
    namespace: "vision",
    pod: "resnet-predictor-1",
    inference_service: "resnet",
    revision: "abc",
  });
});

test.each([
  ["another port of it", { __meta_kubernetes_pod_container_port_name: "grpc" }],
  ["one that has ended", { __meta_kubernetes_pod_phase: "Failed" }],
  ["a pod of nobody", { __meta_kubernetes_pod_label_serving_plimsoll_dev_inference_service: "" }],
])("%s is not scraped", (_name, change) => {
  expect(relabel("plimsoll-models", { ...modelPod, ...change })).toBeUndefined();
});

test("an annotated pod is scraped at its port and path", () => {
  const labels = relabel("annotated-pods", {
    __address__: "10.244.0.3:8443",
    __metrics_path__: "/metrics",
    __meta_kubernetes_namespace: "plimsoll-system",
    __meta_kubernetes_pod_name: "operator-1",
    __meta_kubernetes_pod_ip: "10.244.0.3",
    __meta_kubernetes_pod_phase: "Running",
    __meta_kubernetes_pod_annotation_prometheus_io_scrape: "true",
    __meta_kubernetes_pod_annotation_prometheus_io_port: "9100",
    __meta_kubernetes_pod_annotation_prometheus_io_path: "/internal/metrics",
  });
  expect(labels).toEqual({
    __address__: "10.244.0.3:9100",
    __metrics_path__: "/internal/metrics",
    namespace: "plimsoll-system",
    pod: "operator-1",
  });
});

test("a model pod without the annotation is not scraped twice", () => {
  expect(relabel("annotated-pods", modelPod)).toBeUndefined();
});

test("parts of a second keep their length", () => {
  const quick = JSON.parse(prometheusConfig(0.5)) as typeof config;
  expect(quick.global).toEqual({ scrape_interval: "500ms", scrape_timeout: "500ms" });
});
