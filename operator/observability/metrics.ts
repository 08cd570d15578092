// The operator's own Prometheus metrics: registers definitions and takes figures by name.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** One metric: its series are named by the program's prefix and the key it is registered under. */
export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

/** Takes figures for registered metrics; a name that was never registered is a mistake in the program and throws. */
export interface MetricRecorder {
  count(name: string, labels: Readonly<Record<string, string>>, by: number): void;
  set(name: string, labels: Readonly<Record<string, string>>, value: number): void;
  observe(name: string, labels: Readonly<Record<string, string>>, seconds: number): void;
}

const secondsBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

/** A registry with the process's own metrics. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Registers the definitions as `PREFIX_NAME`. */
export function createRecorder(
  registry: Registry,
  prefix: string,
  definitions: Readonly<Record<string, MetricDefinition>>,
): MetricRecorder {
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  for (const [name, { type, help, labels }] of Object.entries(definitions)) {
    const options = { name: `${prefix}_${name}`, help, labelNames: [...labels], registers: [registry] };
    if (type === "counter") counters.set(name, new Counter(options));
    else if (type === "gauge") gauges.set(name, new Gauge(options));
    else histograms.set(name, new Histogram({ ...options, buckets: secondsBuckets }));
  }
  return {
    count: (name, labels, by) => registered(counters, name).inc(labels, by),
    set: (name, labels, value) => registered(gauges, name).set(labels, value),
    observe: (name, labels, seconds) => registered(histograms, name).observe(labels, seconds),
  };
}

function registered<T>(metrics: ReadonlyMap<string, T>, name: string): T {
  const metric = metrics.get(name);
  if (metric === undefined) throw new TypeError(`no metric ${name} is registered with this type`);
  return metric;
}
