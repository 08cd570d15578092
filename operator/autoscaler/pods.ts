// Finds the ready pods of a service, apart by whether Prometheus must know them already.

import type { Pod } from "kubernetes-types/core/v1.js";
import { conditionOf } from "../kube/conditions.ts";
import type { ReadyPods } from "../scaling/observation.ts";

/** Prometheus takes up discovered targets at most every 5 s. */
const discoverySeconds = 5;
/** Kubernetes writes the time of a condition in whole seconds, rounded down. */
const roundingSeconds = 1;

/** A rate needs two samples, so a pod is recent until discovery and two scrapes have passed. */
export function readyPods(pods: readonly Pod[], scrapeIntervalSeconds: number, nowMs: number): ReadyPods {
  const settleMs = (discoverySeconds + 2 * scrapeIntervalSeconds + roundingSeconds) * 1000;
  const expected: string[] = [];
  const recent: string[] = [];
  for (const pod of pods) {
    const sinceMs = readySinceMs(pod);
    if (sinceMs === undefined) continue;
    const group = nowMs - sinceMs >= settleMs ? expected : recent;
    group.push(pod.metadata?.name ?? "");
  }
  return { expected, recent };
}

/** A terminating pod still answers, but its samples may end at any moment: nothing is expected of it. */
function readySinceMs(pod: Pod): number | undefined {
  if (pod.metadata?.deletionTimestamp !== undefined) return undefined;
  const ready = conditionOf(pod.status, "Ready");
  if (ready?.status !== "True") return undefined;
  const since = Date.parse(ready.lastTransitionTime ?? "");
  return Number.isNaN(since) ? 0 : since;
}
