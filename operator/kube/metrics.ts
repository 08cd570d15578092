// What controllers, queues, reflectors and the client report about themselves, under the names of controller-runtime and client-go.

/** How one reconcile ended. */
export type ReconcileOutcome = "success" | "requeue_after" | "conflict" | "error" | "terminal_error";

/** As controller-runtime counts them: a conflict is a requeue without an error, a terminal error an error. */
export const resultOf = {
  success: "success",
  requeue_after: "requeue_after",
  conflict: "requeue",
  error: "error",
  terminal_error: "error",
} as const satisfies Record<ReconcileOutcome, string>;

export interface MetricDefinition {
  /** A summary has a sum and a count alone. */
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly help: string;
  readonly labels: readonly string[];
  /** Of a histogram, upper bounds in seconds. */
  readonly buckets?: readonly number[];
}

/** client-go's own, for times that a queue measures. */
const queueBuckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10];
/** controller-runtime's own. */
// biome-ignore format: a column of forty numbers says no more
const reconcileBuckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75,
  2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
/** component-base's own. */
const requestBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

const ofController = ["controller"];
const ofQueue = ["name"];
const ofReflector = ["name"];

/** To be registered once. Names, types, labels and bounds are those that dashboards and alerts for controllers expect. */
export const controllerMetrics = {
  controller_runtime_reconcile_total: {
    type: "counter",
    help: "Reconciles by result: success, requeue_after, requeue (the view was out of date) or error.",
    labels: ["controller", "result"],
  },
  controller_runtime_reconcile_errors_total: {
    type: "counter",
    help: "Reconciles that failed.",
    labels: ofController,
  },
  controller_runtime_terminal_reconcile_errors_total: {
    type: "counter",
    help: "Reconciles that failed in a way that no retry can cure.",
    labels: ofController,
  },
  controller_runtime_reconcile_timeouts_total: {
    type: "counter",
    help: "Reconciles that ran out of time.",
    labels: ofController,
  },
  controller_runtime_reconcile_time_seconds: {
    type: "histogram",
    help: "Seconds per reconcile.",
    labels: ofController,
    buckets: reconcileBuckets,
  },
  controller_runtime_active_workers: {
    type: "gauge",
    help: "Workers that are reconciling now.",
    labels: ofController,
  },
  controller_runtime_max_concurrent_reconciles: { type: "gauge", help: "Workers there are.", labels: ofController },
  workqueue_depth: { type: "gauge", help: "Keys that could be taken now.", labels: ofQueue },
  workqueue_adds_total: {
    type: "counter",
    help: "Keys added, without those that were waiting already.",
    labels: ofQueue,
  },
  workqueue_retries_total: { type: "counter", help: "Keys added again after a failure.", labels: ofQueue },
  workqueue_queue_duration_seconds: {
    type: "histogram",
    help: "Seconds that a key waited for a worker.",
    labels: ofQueue,
    buckets: queueBuckets,
  },
  workqueue_work_duration_seconds: {
    type: "histogram",
    help: "Seconds that a key was processed.",
    labels: ofQueue,
    buckets: queueBuckets,
  },
  workqueue_unfinished_work_seconds: {
    type: "gauge",
    help: "Seconds of work in progress, over all workers: what only grows is stuck.",
    labels: ofQueue,
  },
  workqueue_longest_running_processor_seconds: {
    type: "gauge",
    help: "Seconds that the longest work in progress has run.",
    labels: ofQueue,
  },
  reflector_lists_total: { type: "counter", help: "Lists begun.", labels: ofReflector },
  reflector_list_duration_seconds: {
    type: "summary",
    help: "Seconds until a list was complete.",
    labels: ofReflector,
  },
  reflector_items_per_list: { type: "summary", help: "Objects in a complete list.", labels: ofReflector },
  reflector_watches_total: { type: "counter", help: "Watches begun.", labels: ofReflector },
  reflector_short_watches_total: {
    type: "counter",
    help: "Watches that ended within a second and without an event.",
    labels: ofReflector,
  },
  reflector_watch_duration_seconds: {
    type: "summary",
    help: "Seconds until a watch ended.",
    labels: ofReflector,
  },
  reflector_items_per_watch: { type: "summary", help: "Events of a watch that ended.", labels: ofReflector },
  reflector_last_resource_version: {
    type: "gauge",
    help: "Resource version that was last seen, where it is a number.",
    labels: ofReflector,
  },
  rest_client_requests_total: {
    type: "counter",
    help: "HTTP requests to the API server, tries each, by status code, method and host.",
    labels: ["code", "method", "host"],
  },
  rest_client_request_duration_seconds: {
    type: "histogram",
    help: "Seconds until the API server answered, watches left out, by method and host.",
    labels: ["verb", "host"],
    buckets: requestBuckets,
  },
} as const satisfies Record<string, MetricDefinition>;

export type ControllerMetric = keyof typeof controllerMetrics;
type MetricOf<Type> = {
  [Name in ControllerMetric]: (typeof controllerMetrics)[Name]["type"] extends Type ? Name : never;
}[ControllerMetric];
type Labels = Readonly<Record<string, string>>;

/** Where the figures go. */
export interface MetricSink {
  /** Adds `by` to a counter; 0 makes the series exist. */
  count(name: MetricOf<"counter">, labels: Labels, by: number): void;
  set(name: MetricOf<"gauge">, labels: Labels, value: number): void;
  /** A gauge that is read whenever somebody asks for it. */
  track(name: MetricOf<"gauge">, labels: Labels, read: () => number): void;
  observe(name: MetricOf<"histogram" | "summary">, labels: Labels, value: number): void;
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

/** What a reflector tells. */
export interface ReflectorMetrics {
  listBegun(): void;
  listed(seconds: number, objects: number): void;
  watchBegun(): void;
  watchEnded(seconds: number, events: number): void;
  reached(resourceVersion: string): void;
}

/** The reflector's figures, labelled with its name, such as `vision/deployments`. */
export function reflectorMetrics(sink: MetricSink, name: string): ReflectorMetrics {
  const labels = { name };
  sink.count("reflector_lists_total", labels, 0);
  sink.count("reflector_watches_total", labels, 0);
  sink.count("reflector_short_watches_total", labels, 0);
  return {
    listBegun: () => sink.count("reflector_lists_total", labels, 1),
    listed: (seconds, objects) => {
      sink.observe("reflector_list_duration_seconds", labels, seconds);
      sink.observe("reflector_items_per_list", labels, objects);
    },
    watchBegun: () => sink.count("reflector_watches_total", labels, 1),
    watchEnded: (seconds, events) => {
      sink.observe("reflector_watch_duration_seconds", labels, seconds);
      sink.observe("reflector_items_per_watch", labels, events);
      if (seconds < 1 && events === 0) sink.count("reflector_short_watches_total", labels, 1);
    },
    reached: (resourceVersion) => {
      if (/^\d+$/.test(resourceVersion)) sink.set("reflector_last_resource_version", labels, Number(resourceVersion));
    },
  };
}

/** One answered or failed try of a request. */
export interface RequestFigures {
  readonly verb: string;
  readonly method: string;
  /** Of the API server, with its port. */
  readonly host: string;
  readonly status: number | "error";
  readonly seconds: number;
}

export function countRequest(sink: MetricSink, { verb, method, host, status, seconds }: RequestFigures): void {
  const code = status === "error" ? "<error>" : String(status);
  sink.count("rest_client_requests_total", { code, method, host }, 1);
  if (verb !== "watch") sink.observe("rest_client_request_duration_seconds", { verb: method, host }, seconds);
}
