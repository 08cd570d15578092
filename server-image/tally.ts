// Counters and histograms for what happens with every request: counting is an addition, Prometheus' form is made when asked for.

import type { Metric, MetricObjectWithValues, MetricValue, Registry } from "prom-client";

export interface TallyOptions {
  readonly name: string;
  readonly help: string;
  readonly registry: Registry;
}

type Value = MetricValue<string> & { readonly metricName: string };

/** Adds up values in buckets; prom-client's own spends more on it than a small request on everything else. */
export class TallyHistogram {
  readonly #bounds: Float64Array;
  /** One more than there are bounds: the last one has no end. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds upper ends of the buckets, in ascending order */
  constructor({ name, help, registry }: TallyOptions, bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
    register(registry, { name, help, type: "histogram", values: () => this.#values(name) });
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) {
      bucket += 1;
    }
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += value;
  }

  #values(name: string): Value[] {
    let count = 0;
    const buckets = Array.from(this.#counts, (counted, index) => {
      count += counted;
      const le = this.#bounds[index] ?? "+Inf";
      return { metricName: `${name}_bucket`, labels: { le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, value: count },
    ];
  }
}

/** Counts by the values of its labels; series are there from the start or from their first count on. */
export class TallyCounter<Label extends string> {
  readonly #labels: readonly Label[];
  readonly #series = new Map<string, { count: number; readonly values: readonly string[] }>();

  constructor({ name, help, registry }: TallyOptions, labels: readonly Label[]) {
    this.#labels = labels;
    register(registry, { name, help, type: "counter", values: () => this.#values(name) });
  }

  /**
   * The series with these values of the labels, in the order of the labels, to be counted up: whoever counts often keeps
   * it.
   */
  series(...values: readonly string[]): { count: number } {
    const key = values.join("\n");
    const known = this.#series.get(key);
    if (known !== undefined) {
      return known;
    }
    const made = { count: 0, values };
    this.#series.set(key, made);
    return made;
  }

  #values(metricName: string): Value[] {
    return [...this.#series.values()].map(({ count, values }) => ({
      metricName,
      labels: Object.fromEntries(this.#labels.map((label, index) => [label, values[index] ?? ""])),
      value: count,
    }));
  }
}

interface Description {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "histogram";
  readonly values: () => Value[];
}

/** prom-client asks its metrics for no more than this. */
function register(registry: Registry, { name, help, type, values }: Description): void {
  const metric = {
    name,
    help,
    type,
    get: async () =>
      ({ name, help, type, aggregator: "sum", values: values() }) as unknown as MetricObjectWithValues<Value>,
    reset: () => undefined,
  };
  registry.registerMetric(metric as unknown as Metric);
}
