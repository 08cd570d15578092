// Measures how long the first pod of a revision took from its creation to being ready, from the times that Kubernetes writes.

import type { Pod } from "kubernetes-types/core/v1.js";
import type { InferenceServiceStatus } from "../api/inference-service-status.ts";
import { conditionOf } from "../kube/conditions.ts";

export type ColdStart = NonNullable<InferenceServiceStatus["coldStart"]>;

/**
 * Of the pods that came up at the first attempt, the one that was ready first; in whole seconds, as Kubernetes' times
 * are. Undefined when there is none, or when clocks of machines differ so much that a phase would end before it began.
 */
export function measureColdStart(pods: readonly Pod[], revision: string): ColdStart | undefined {
  const measured = pods.flatMap((pod) => phasesOf(pod) ?? []).toSorted((a, b) => a.readyMs - b.readyMs)[0];
  if (measured === undefined) return undefined;
  const { createdMs, scheduledMs, startedMs, readyMs } = measured;
  return {
    revision,
    scheduleSeconds: (scheduledMs - createdMs) / 1000,
    containerSeconds: (startedMs - scheduledMs) / 1000,
    modelSeconds: (readyMs - startedMs) / 1000,
    totalSeconds: (readyMs - createdMs) / 1000,
  };
}

function phasesOf({ metadata, status }: Pod) {
  const since = (type: string) => {
    const condition = conditionOf(status, type);
    return condition?.status === "True" ? Date.parse(condition.lastTransitionTime ?? "") : Number.NaN;
  };
  const containers = status?.containerStatuses ?? [];
  // What was started again did not take so long only because it was cold.
  if (containers.some(({ lastState }) => lastState?.terminated !== undefined)) return undefined;
  const createdMs = Date.parse(metadata?.creationTimestamp ?? "");
  const scheduledMs = since("PodScheduled");
  const startedMs = Math.max(...containers.map(({ state }) => Date.parse(state?.running?.startedAt ?? "")));
  const readyMs = since("Ready");
  // False for a time that is missing.
  const isOrdered = createdMs <= scheduledMs && scheduledMs <= startedMs && startedMs <= readyMs;
  return isOrdered ? { createdMs, scheduledMs, startedMs, readyMs } : undefined;
}
