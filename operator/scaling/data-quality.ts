// Judges whether the signals of a service cover all of its pods.

import type { MetricType } from "../api/inference-service-spec.ts";
import type { Observation } from "./observation.ts";
import type { ScalingPolicy } from "./policy.ts";
import type { UnknownReason } from "./signal.ts";

/**
 * complete: every ready pod reports.
 * settling: every established pod reports, but some became ready so recently that their samples are not in yet.
 *   Nothing is lowered meanwhile; it is no fault.
 * starting: no pod is established yet, so there is nothing that could report.
 * gap: something is missing that should be there. What was in the windows before can no longer be trusted.
 */
export type DataQuality =
  | { readonly quality: "complete" | "settling" | "starting" }
  | { readonly quality: "gap"; readonly reason: UnknownReason | "PartialSamples"; readonly message: string };

export function judgeData(policy: ScalingPolicy, observed: Observation): DataQuality {
  const { expectedPods, newPods } = observed;
  let fewestReporting = Number.POSITIVE_INFINITY;
  for (const type of Object.keys(policy.targets) as MetricType[]) {
    const signal = observed.signals[type];
    if (!signal.known) {
      if (signal.reason === "NoSamples" && expectedPods === 0) continue;
      return { quality: "gap", reason: signal.reason, message: signal.message };
    }
    if (signal.reportingPods < expectedPods) {
      const message = `${signal.reportingPods} of ${expectedPods} ready pods report ${type}`;
      return { quality: "gap", reason: "PartialSamples", message };
    }
    fewestReporting = Math.min(fewestReporting, signal.reportingPods);
  }
  if (expectedPods === 0) return { quality: "starting" };
  return { quality: fewestReporting < expectedPods + newPods ? "settling" : "complete" };
}
