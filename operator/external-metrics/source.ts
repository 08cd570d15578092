// What the external metrics server asks of whoever knows the signals.

/** A signal's value over a whole service, in the unit of its name: requests per second, or requests in the queue. */
export interface MetricSample {
  readonly value: number;
  /** When it was measured, in milliseconds since the epoch. */
  readonly atMs: number;
  /** Over how long a rate was taken; absent for gauges. */
  readonly windowSeconds?: number | undefined;
}

export interface ServiceSample extends MetricSample {
  readonly serviceName: string;
}

/**
 * Asked once per HorizontalPodAutoscaler, metric and 15 s, so it answers from memory. What is unknown is absent,
 * never 0: an HPA that gets no item keeps its replicas, and one that gets 0 lowers them.
 */
export interface ExternalMetricsSource {
  /** Names under which discovery lists the metrics. */
  readonly metricNames: readonly string[];
  value(namespace: string, serviceName: string, metricName: string): MetricSample | undefined;
  /** Every service of the namespace whose value is known. */
  list(namespace: string, metricName: string): readonly ServiceSample[];
}
