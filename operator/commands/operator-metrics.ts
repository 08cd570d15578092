// Every metric that the operator defines, besides those of its process: what docs/metrics.md lists.

import { controllerMetrics } from "../kube/metrics.ts";
import type { MetricDefinition } from "../observability/metrics.ts";
import { leadershipMetrics } from "./leadership.ts";

export const operatorMetrics = {
  ...controllerMetrics,
  ...leadershipMetrics,
  plimsoll_operator_autoscaler_tick_seconds: {
    type: "histogram",
    help: "Seconds that one tick took: signals of all services, decisions, writes.",
    labels: [],
  },
  plimsoll_operator_namespace_watched: {
    type: "gauge",
    help: "Whether everything in a namespace of --watch-namespaces is known (1) or it cannot be read yet (0).",
    labels: ["namespace"],
  },
} as const satisfies Record<string, MetricDefinition>;
