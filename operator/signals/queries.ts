// The PromQL of each signal: one query for all services of the cluster, never one per service.

import type { MetricType } from "../api/inference-service-spec.ts";

/** How the signals are taken, from the operator's configuration. */
export interface QuerySettings {
  readonly scrapeIntervalSeconds: number;
  /** Names of the namespaces whose series are read; absent: all. */
  readonly namespaces?: readonly string[] | undefined;
}

/** A rate needs two samples in its window; four scrapes survive a lost one and still follow within seconds. */
export function rateWindowSeconds(settings: QuerySettings): number {
  return settings.scrapeIntervalSeconds * 4;
}

/** A sample older than three scrapes says nothing about now. */
export function maxSampleAgeSeconds(settings: QuerySettings): number {
  return settings.scrapeIntervalSeconds * 3;
}

/** Label of a result row that says what the row holds. */
export const rowLabel = "row";

/** Label that names the pod in a row of kind `reporting`. */
export const podLabel = "pod";

/** Labels that name the service in a result row. */
export const serviceLabels = ["namespace", "inference_service"] as const;

/**
 * Each query answers with one row `row="value"` per service, the sum over its pods, and one row `row="reporting"` per
 * pod that has a fresh sample. Without the names, a pod that is loading could stand in for one that was lost, and a
 * lost pod would look like a lost load.
 */
export function signalQueries(settings: QuerySettings): Readonly<Record<MetricType, string>> {
  const window = `${rateWindowSeconds(settings)}s`;
  const age = maxSampleAgeSeconds(settings);
  const services = `{inference_service!=""${namespaceMatcher(settings.namespaces)}}`;
  const arrivals = `plimsoll_requests_received_total${services}`;
  const depth = `plimsoll_queue_depth${services}`;
  return {
    // A pod with one sample in the window has no rate yet: it is not reporting.
    RequestRate: rows(`rate(${arrivals}[${window}])`, `rate(${arrivals}[${window}]) and ${fresh(arrivals, age)}`),
    QueueDepth: rows(`${depth} and ${fresh(depth, age)}`, fresh(depth, age)),
  };
}

/** A namespace's name holds nothing that a string or a regular expression of PromQL reads as something else. */
function namespaceMatcher(namespaces: readonly string[] | undefined): string {
  if (namespaces === undefined) return "";
  return namespaces.length === 1 ? `, namespace="${namespaces[0]}"` : `, namespace=~"${namespaces.join("|")}"`;
}

function fresh(selector: string, ageSeconds: number): string {
  return `(timestamp(${selector}) > time() - ${ageSeconds})`;
}

function rows(values: string, reporters: string): string {
  const service = serviceLabels.join(", ");
  const value = `sum by (${service}) (${values})`;
  const reporting = `count by (${service}, ${podLabel}) (${reporters})`;
  return `${named(value, "value")} or ${named(reporting, "reporting")}`;
}

function named(expression: string, row: string): string {
  return `label_replace(${expression}, "${rowLabel}", "${row}", "", "")`;
}
