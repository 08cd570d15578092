// Computes the part of the status that the autoscaler owns, and whether it differs enough to be written.

import { type Condition, type Finding, finding, mergeConditions, rfc3339 } from "../api/conditions.ts";
import type { InferenceService } from "../api/inference-service.ts";
import type { MetricType } from "../api/inference-service-spec.ts";
import type { InferenceServiceStatus, ReplicaChange } from "../api/inference-service-status.ts";
import { milliQuantity } from "../api/quantity.ts";
import type { Decision } from "../scaling/decide.ts";
import { explain } from "../scaling/explain.ts";
import type { ScalingPolicy } from "../scaling/policy.ts";
import type { ServiceSignals } from "../scaling/signal.ts";

/** What the autoscaler writes below `status`. The reconciler owns the rest of it. */
export interface AutoscalingStatus {
  /** Absent for a service whose replicas are none of the autoscaler's business. */
  readonly autoScaling?: NonNullable<InferenceServiceStatus["autoScaling"]>;
  readonly conditions: readonly Condition[];
}

export interface StatusInput {
  readonly service: InferenceService;
  readonly policy: ScalingPolicy;
  readonly signals: ServiceSignals;
  readonly decision: Decision;
  /** A change of replicas since the last tick. */
  readonly change?: { readonly from: number; readonly to: number } | undefined;
  /** `namespace/name` of another program's Service behind external.metrics.k8s.io. */
  readonly foreignProvider?: string | undefined;
}

const keptChanges = 5;

export function computeAutoscalingStatus(input: StatusInput, now: Date): Required<AutoscalingStatus> {
  const { service, policy, signals, decision, change } = input;
  const reason = explain(policy, signals, decision);
  const earlier = service.status?.autoScaling?.lastChanges ?? [];
  const changes: ReplicaChange[] = change === undefined ? [] : [{ time: rfc3339(now), ...change, reason }];
  return {
    autoScaling: {
      desiredReplicas: decision.desiredReplicas,
      reason,
      ...(decision.winner === undefined ? {} : { winner: decision.winner }),
      ...(decision.limit === undefined ? {} : { limit: decision.limit }),
      signals: (Object.keys(policy.targets) as MetricType[]).map((type) => signalStatus(type, input)),
      lastChanges: [...changes, ...earlier].slice(0, keptChanges),
    },
    conditions: mergeConditions(
      service.status?.conditions ?? [],
      [metricsFinding(decision), scalingFinding(input, reason)],
      service.metadata.generation ?? 0,
      now,
    ),
  };
}

/** The status of a service in mode External: earlier decisions are gone, since they explain nothing any more. */
export function computeExternalStatus(service: InferenceService, now: Date): AutoscalingStatus {
  const message = "autoScaling.mode is External: spec.predictor.replicas is the count, and its writer decides";
  const external = finding("ScalingActive", "False", "External", message);
  const { generation = 0 } = service.metadata;
  return { conditions: mergeConditions(service.status?.conditions ?? [], [external], generation, now) };
}

function signalStatus(type: MetricType, { policy, signals, decision }: StatusInput) {
  const signal = signals[type];
  const proposal = decision.proposals[type];
  return {
    type,
    value: signal.known ? milliQuantity(signal.value) : "unknown",
    target: milliQuantity(policy.targets[type] ?? 0),
    ...(proposal === undefined ? {} : { proposal }),
  };
}

function metricsFinding({ data }: Decision): Finding<"MetricsAvailable"> {
  switch (data.quality) {
    case "gap":
      return finding("MetricsAvailable", "False", data.reason, data.message);
    case "starting":
      return finding(
        "MetricsAvailable",
        "Unknown",
        "WaitingForFirstSamples",
        "no pod has been ready for long enough to report",
      );
    case "complete":
    case "settling":
      return finding("MetricsAvailable", "True", "SignalsFresh", "every ready pod reports");
  }
}

function scalingFinding({ decision, foreignProvider }: StatusInput, reason: string): Finding<"ScalingActive"> {
  if (foreignProvider !== undefined) {
    const message = `external.metrics.k8s.io is served by ${foreignProvider}: replicas are raised, and nothing lowers them`;
    return finding("ScalingActive", "False", "ForeignMetricsProvider", message);
  }
  if (decision.data.quality === "gap") return finding("ScalingActive", "False", "MetricsUnknown", reason);
  if (decision.recovering && decision.limit === "floor")
    return finding("ScalingActive", "True", "RecoveringFromGap", reason);
  return finding("ScalingActive", "True", "Scaling", reason);
}

/**
 * Values change with every tick and are not worth a write, nor are winner and limit, which flip whenever a load of the
 * usual noise crosses a whole number: the status is written when the replicas that it asks for change, or a reason.
 */
export function differs(before: InferenceServiceStatus | undefined, after: AutoscalingStatus): boolean {
  return essence(before?.autoScaling, before?.conditions) !== essence(after.autoScaling, after.conditions);
}

/** The order of the signals says nothing: the API server may keep another one than was sent. */
function essence(autoScaling: InferenceServiceStatus["autoScaling"], conditions: readonly Condition[] = []): string {
  const owned = ["MetricsAvailable", "ScalingActive"].map((type) => {
    const found = conditions.find((condition) => condition.type === type);
    return [found?.status, found?.reason, found?.observedGeneration];
  });
  const { desiredReplicas, lastChanges = [], signals = [] } = autoScaling ?? {};
  const targets = signals.map((signal) => `${signal.type} ${signal.target}`).toSorted();
  return JSON.stringify([desiredReplicas, lastChanges, targets, owned]);
}
