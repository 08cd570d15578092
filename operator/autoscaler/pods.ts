// Counts the ready pods of a service, apart by whether Prometheus must know them already.

import type { Pod } from "kubernetes-types/core/v1.js";

/** Prometheus takes up discovered targets at most every 5 s. */
const discoverySeconds = 5;
/** Kubernetes writes the time of a condition in whole seconds, rounded down. */
const roundingSeconds = 1;

export interface PodCounts {
  /** Ready for so long that samples are due. */
  readonly expectedPods: number;
  /** Ready, but so recently that samples may not be there yet. */
  readonly newPods: number;
}

/** A rate needs two samples, so a pod is new until discovery and two scrapes have passed. */
export function countReadyPods(pods: readonly Pod[], scrapeIntervalSeconds: number, nowMs: number): PodCounts {
  const settleMs = (discoverySeconds + 2 * scrapeIntervalSeconds + roundingSeconds) * 1000;
  let expectedPods = 0;
  let newPods = 0;
  for (const pod of pods) {
    const sinceMs = readySinceMs(pod);
    if (sinceMs === undefined) continue;
    if (nowMs - sinceMs >= settleMs) expectedPods++;
    else newPods++;
  }
  return { expectedPods, newPods };
}

/** A terminating pod still answers, but its samples may end at any moment: nothing is expected of it. */
function readySinceMs(pod: Pod): number | undefined {
  if (pod.metadata?.deletionTimestamp !== undefined) return undefined;
  const ready = pod.status?.conditions?.find((condition) => condition.type === "Ready");
  if (ready?.status !== "True") return undefined;
  const since = Date.parse(ready.lastTransitionTime ?? "");
  return Number.isNaN(since) ? 0 : since;
}
