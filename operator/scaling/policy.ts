// What decides the replicas of one service: its spec as plain numbers.

import type { InferenceServiceSpec, MetricType } from "../api/inference-service-spec.ts";
import { parseQuantity } from "../api/quantity.ts";

export interface ScalingPolicy {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** What one replica should carry, for each signal that replicas follow. Every target is above 0. */
  readonly targets: Readonly<Partial<Record<MetricType, number>>>;
  /** Replicas fall only to the highest count that was needed within these last seconds. */
  readonly stabilizationWindowSeconds: number;
  /** Window over which the request rate is taken: after a gap it must be full before anything is lowered. */
  readonly rateWindowSeconds: number;
  /** A backlog should be gone after so long. */
  readonly drainSeconds: number;
  /** Replicas to rise to once signals have been missing for so long. Absent: hold. */
  readonly onMissingMetrics?: { readonly replicas: number; readonly afterSeconds: number };
}

const defaultAfterSeconds = 60;

/** Time in which a backlog is to be worked off. Shorter asks for more replicas, for less long. */
const defaultDrainSeconds = 10;

/**
 * The policy that a spec asks for; `rateWindowSeconds` comes from how Prometheus is asked. Throws RangeError for a
 * target that is not above 0, which `parseInferenceService` lets nobody have.
 */
export function policyOf(spec: InferenceServiceSpec, rateWindowSeconds: number): ScalingPolicy {
  const { minReplicas, maxReplicas, autoScaling } = spec.predictor;
  const targets: Partial<Record<MetricType, number>> = {};
  for (const { type, target } of autoScaling.metrics) {
    const value = parseQuantity(target);
    // Left out, it would silently lower the service to minReplicas.
    if (value === undefined || value <= 0)
      throw new RangeError(`target ${target} of ${type} is not a quantity above 0`);
    targets[type] = value;
  }
  return {
    minReplicas,
    maxReplicas,
    targets,
    stabilizationWindowSeconds: autoScaling.behavior.scaleDown.stabilizationWindowSeconds,
    rateWindowSeconds,
    drainSeconds: defaultDrainSeconds,
    ...missingMetricsPolicy(autoScaling.onMissingMetrics),
  };
}

function missingMetricsPolicy(
  given: InferenceServiceSpec["predictor"]["autoScaling"]["onMissingMetrics"],
): Pick<ScalingPolicy, "onMissingMetrics"> {
  if (given?.policy !== "ScaleTo" || given.replicas === undefined) return {};
  const { replicas, afterSeconds = defaultAfterSeconds } = given;
  return { onMissingMetrics: { replicas, afterSeconds } };
}
