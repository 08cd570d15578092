// The operator's own Prometheus metrics: registers definitions and takes figures by name.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, Summary } from "prom-client";

/** One metric, registered under its full name. */
export interface MetricDefinition {
  /** A summary has a sum and a count alone. */
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly help: string;
  readonly labels: readonly string[];
  /** Of a histogram, upper bounds. Default: seconds from a millisecond to a minute. */
  readonly buckets?: readonly number[];
}

type Labels = Readonly<Record<string, string>>;

/** Takes figures for registered metrics; a name that was never registered is a mistake in the program and throws. */
export interface MetricRecorder {
  count(name: string, labels: Labels, by: number): void;
  set(name: string, labels: Labels, value: number): void;
  /** A gauge that is read at each scrape. */
  track(name: string, labels: Labels, read: () => number): void;
  /** For histograms and summaries. */
  observe(name: string, labels: Labels, value: number): void;
}

const secondsBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

/** A registry with the process's own metrics. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Registers the definitions. Throws when one of the names is registered already. */
export function createRecorder(
  registry: Registry,
  definitions: Readonly<Record<string, MetricDefinition>>,
): MetricRecorder {
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const distributions = new Map<string, Histogram | Summary>();
  const readings = new Map<string, (() => void)[]>();
  for (const [name, { type, help, labels, buckets = secondsBuckets }] of Object.entries(definitions)) {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    const collect = () => readings.get(name)?.forEach((reading) => reading());
    if (type === "counter") counters.set(name, new Counter(options));
    else if (type === "gauge") gauges.set(name, new Gauge({ ...options, collect }));
    else if (type === "summary") distributions.set(name, new Summary({ ...options, percentiles: [] }));
    else distributions.set(name, new Histogram({ ...options, buckets: [...buckets] }));
  }
  return {
    count: (name, labels, by) => registered(counters, name).inc(labels, by),
    set: (name, labels, value) => registered(gauges, name).set(labels, value),
    track: (name, labels, read) => {
      const gauge = registered(gauges, name);
      readings.set(name, [...(readings.get(name) ?? []), () => gauge.set(labels, read())]);
    },
    observe: (name, labels, value) => registered(distributions, name).observe(labels, value),
  };
}

function registered<T>(metrics: ReadonlyMap<string, T>, name: string): T {
  const metric = metrics.get(name);
  if (metric === undefined) throw new TypeError(`no metric ${name} is registered with this type`);
  return metric;
}
