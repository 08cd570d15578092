// The HorizontalPodAutoscaler that lowers replicas, and raises them when the operator is away.

import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec } from "kubernetes-types/autoscaling/v2.js";
import { inferenceServiceLabel } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import type { MetricType } from "../api/inference-service-spec.ts";
import { childMetadata, childName } from "./names.ts";

/** Names under which external.metrics.k8s.io serves the signals. */
export const externalMetricNames: Readonly<Record<MetricType, string>> = {
  RequestRate: "plimsoll_request_rate",
  QueueDepth: "plimsoll_queue_depth",
};

export interface AutoscalerSettings {
  /**
   * Whether the cluster knows `behavior.scaleDown.tolerance` (on by default from Kubernetes 1.35). Without it an HPA
   * within its 10 % of tolerance keeps the surge pods of a roll-out for good (kubernetes#123296).
   */
  readonly hpaTolerance: boolean;
}

/** minReplicas and maxReplicas of the HPA. */
export interface ReplicaBounds {
  readonly minReplicas: number;
  readonly maxReplicas: number;
}

/**
 * The HPA's bounds for a floor under the present load. Both always travel in one patch: a maxReplicas below
 * minReplicas is refused by the API server.
 * @example min 1, max 10: floor 4 -> {4, 10}; floor 12 -> {10, 10}; floor 0 -> {1, 10}
 */
export function replicaBounds(bounds: ReplicaBounds, floor: number): ReplicaBounds {
  const { minReplicas, maxReplicas } = bounds;
  return { minReplicas: Math.max(1, minReplicas, Math.min(floor, maxReplicas)), maxReplicas };
}

/** The HPA without its bounds, which the autoscaler writes; see `replicaBounds`. */
export function makeHorizontalPodAutoscaler(
  service: InferenceService,
  settings: AutoscalerSettings,
): HorizontalPodAutoscaler {
  const { autoScaling, maxReplicas } = service.spec.predictor;
  const { stabilizationWindowSeconds, policies } = autoScaling.behavior.scaleDown;
  const spec: Omit<HorizontalPodAutoscalerSpec, "maxReplicas"> = {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: childName(service.metadata.name) },
    metrics: autoScaling.metrics.map(({ type, target }) => ({
      type: "External",
      external: {
        metric: {
          name: externalMetricNames[type],
          selector: { matchLabels: { [inferenceServiceLabel]: service.metadata.name } },
        },
        target: { type: "AverageValue", averageValue: String(target) },
      },
    })),
    behavior: {
      // The HPA's own limit of doubling every 15 s would starve a service whose load rises tenfold.
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: "Max",
        policies: [{ type: "Pods", value: maxReplicas, periodSeconds: 15 }],
      },
      scaleDown: {
        stabilizationWindowSeconds,
        selectPolicy: "Max",
        policies: policies ?? [{ type: "Percent", value: 100, periodSeconds: 15 }],
        ...(settings.hpaTolerance ? { tolerance: "0" } : {}),
      },
    },
  };
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: childMetadata(service),
    // The type demands maxReplicas, but the field belongs to another field manager.
    spec: spec as HorizontalPodAutoscalerSpec,
  };
}
