// What the controller loop reports about itself, under the names that dashboards for controllers expect.

/** How one reconcile ended. */
export const reconcileResults = ["success", "requeue_after", "conflict", "error", "terminal_error"] as const;
export type ReconcileOutcome = (typeof reconcileResults)[number];

export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

/** To be registered once, with a prefix of the program's choice; counters begin at 0 for every controller and result. */
export const controllerMetrics = {
  reconcile_total: { type: "counter", help: "Reconciles by result.", labels: ["controller", "result"] },
  reconcile_errors_total: {
    type: "counter",
    help: "Reconciles that failed; conflicts are not among them.",
    labels: ["controller"],
  },
  terminal_reconcile_errors_total: {
    type: "counter",
    help: "Reconciles that failed in a way that no retry can cure.",
    labels: ["controller"],
  },
  reconcile_conflicts_total: {
    type: "counter",
    help: "Reconciles that acted on an outdated view and were repeated.",
    labels: ["controller"],
  },
  reconcile_timeouts_total: { type: "counter", help: "Reconciles that ran out of time.", labels: ["controller"] },
  reconcile_time_seconds: { type: "histogram", help: "Seconds per reconcile.", labels: ["controller"] },
  active_workers: { type: "gauge", help: "Workers that are reconciling now.", labels: ["controller"] },
  max_concurrent_reconciles: { type: "gauge", help: "Workers there are.", labels: ["controller"] },
  workqueue_depth: { type: "gauge", help: "Keys that could be taken now.", labels: ["name"] },
  workqueue_adds_total: {
    type: "counter",
    help: "Keys added, without those that were waiting already.",
    labels: ["name"],
  },
  workqueue_retries_total: { type: "counter", help: "Keys added again after a failure.", labels: ["name"] },
  workqueue_queue_duration_seconds: {
    type: "histogram",
    help: "Seconds that a key waited for a worker.",
    labels: ["name"],
  },
  workqueue_work_duration_seconds: { type: "histogram", help: "Seconds that a key was processed.", labels: ["name"] },
} as const satisfies Record<string, MetricDefinition>;

export type ControllerMetric = keyof typeof controllerMetrics;
type MetricOf<Type> = {
  [Name in ControllerMetric]: (typeof controllerMetrics)[Name]["type"] extends Type ? Name : never;
}[ControllerMetric];

/** Where the figures go. */
export interface MetricSink {
  /** Adds `by` to a counter; 0 makes the series exist. */
  count(name: MetricOf<"counter">, labels: Readonly<Record<string, string>>, by: number): void;
  set(name: MetricOf<"gauge">, labels: Readonly<Record<string, string>>, value: number): void;
  observe(name: MetricOf<"histogram">, labels: Readonly<Record<string, string>>, seconds: number): void;
}

/** What a work queue tells. */
export interface QueueMetrics {
  added(): void;
  retried(): void;
  depth(keys: number): void;
  waited(seconds: number): void;
  worked(seconds: number): void;
}

/** The queue's figures, labelled with its name. */
export function queueMetrics(sink: MetricSink, name: string): QueueMetrics {
  const labels = { name };
  sink.count("workqueue_adds_total", labels, 0);
  sink.count("workqueue_retries_total", labels, 0);
  sink.set("workqueue_depth", labels, 0);
  return {
    added: () => sink.count("workqueue_adds_total", labels, 1),
    retried: () => sink.count("workqueue_retries_total", labels, 1),
    depth: (keys) => sink.set("workqueue_depth", labels, keys),
    waited: (seconds) => sink.observe("workqueue_queue_duration_seconds", labels, seconds),
    worked: (seconds) => sink.observe("workqueue_work_duration_seconds", labels, seconds),
  };
}
