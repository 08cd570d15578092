// Prometheus' command line and configuration: it scrapes model pods and whatever else is annotated for scraping.

import { hostAddress, prometheusPort, scrapeTargetPort } from "./addresses.ts";
import type { ComponentSpec } from "./component.ts";

export interface PrometheusOptions {
  readonly binary: string;
  readonly configFile: string;
  readonly dataDirectory: string;
}

type Relabeling = Record<string, string | readonly string[]>;

const pod = "__meta_kubernetes_pod";

const finishedPodsAreNoTargets: Relabeling = {
  source_labels: [`${pod}_phase`],
  regex: "Succeeded|Failed",
  action: "drop",
};

function copied(source: string, target: string): Relabeling {
  return { source_labels: [source], target_label: target };
}

function kept(source: string, regex: string): Relabeling {
  return { source_labels: [source], regex, action: "keep" };
}

/** Pods' labels become `namespace`, `pod`, `inference_service` and `revision`: the contract with the operator. */
const modelPods: readonly Relabeling[] = [
  kept(`${pod}_label_serving_plimsoll_dev_inference_service`, ".+"),
  kept(`${pod}_container_port_name`, "http"),
  finishedPodsAreNoTargets,
  copied("__meta_kubernetes_namespace", "namespace"),
  copied(`${pod}_name`, "pod"),
  copied(`${pod}_label_serving_plimsoll_dev_inference_service`, "inference_service"),
  copied(`${pod}_label_serving_plimsoll_dev_revision`, "revision"),
];

const annotatedPods: readonly Relabeling[] = [
  kept(`${pod}_annotation_prometheus_io_scrape`, "true"),
  finishedPodsAreNoTargets,
  { source_labels: [`${pod}_annotation_prometheus_io_path`], regex: "(.+)", target_label: "__metrics_path__" },
  {
    source_labels: [`${pod}_ip`, `${pod}_annotation_prometheus_io_port`],
    separator: ";",
    regex: "(.+);(\\d+)",
    replacement: "$1:$2",
    target_label: "__address__",
  },
  copied("__meta_kubernetes_namespace", "namespace"),
  copied(`${pod}_name`, "pod"),
];

/**
 * The configuration file's content (JSON is YAML). `scrapeIntervalSeconds` is also the time-out of a scrape.
 * The rules are those of `kubernetes_sd_configs`, which Debian's Prometheus lacks: the cluster lists the targets in its place.
 */
export function prometheusConfig(scrapeIntervalSeconds: number): string {
  const discovery = { url: `http://127.0.0.1:${scrapeTargetPort}/`, refresh_interval: "1s" };
  const job = (name: string, relabelings: readonly Relabeling[]) => ({
    job_name: name,
    http_sd_configs: [discovery],
    relabel_configs: relabelings,
  });
  const interval = `${Math.round(scrapeIntervalSeconds * 1000)}ms`;
  return JSON.stringify({
    global: { scrape_interval: interval, scrape_timeout: interval },
    scrape_configs: [job("plimsoll-models", modelPods), job("annotated-pods", annotatedPods)],
  });
}

export function prometheusComponent(options: PrometheusOptions): ComponentSpec {
  return {
    name: "prometheus",
    command: options.binary,
    args: [
      `--config.file=${options.configFile}`,
      `--storage.tsdb.path=${options.dataDirectory}`,
      "--storage.tsdb.retention.time=6h",
      `--web.listen-address=${hostAddress}:${prometheusPort}`,
      "--log.level=warn",
    ],
  };
}
