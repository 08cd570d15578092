// How many replicas each signal asks for.

import type { MetricType } from "../api/inference-service-spec.ts";
import type { ScalingPolicy } from "./policy.ts";
import type { ServiceSignals } from "./signal.ts";

export interface Proposals {
  /** Replicas for the load that arrives; what the stabilisation window remembers. Undefined: unknown. */
  readonly steady: number | undefined;
  /** Per signal, what it asks for now. Absent: not configured, or unknown. */
  readonly bySignal: Readonly<Partial<Record<MetricType, number>>>;
}

/**
 * A backlog is never divided plainly: 2,200 queued requests at a target of 4 would ask for 550 replicas, although
 * 12 would work them off in time. So the queue asks for no more than what serves the arrivals and empties it
 * within `drainSeconds`.
 * @example rate 40/s, target 10/s; queue 2,200, target 4; drain 30 s: min(550, ceil((40 + 2200/30) / 10)) = 12
 */
export function proposeReplicas(policy: ScalingPolicy, signals: ServiceSignals, readyPods: number): Proposals {
  const rate = signals.RequestRate.known ? signals.RequestRate.value : undefined;
  const queue = signals.QueueDepth.known ? signals.QueueDepth.value : undefined;
  const rateTarget = policy.targets.RequestRate;
  const queueTarget = policy.targets.QueueDepth;
  const bySignal: Partial<Record<MetricType, number>> = {};
  if (rateTarget !== undefined && rate !== undefined) bySignal.RequestRate = divideUp(rate, rateTarget);
  if (queueTarget !== undefined && queue !== undefined) {
    const drain =
      rateTarget === undefined || rate === undefined
        ? // Nothing says how fast a replica works: the HPA's own step, doubling, bounds the guess.
          // Of the pods that work, not of those that were asked for: otherwise each tick would double anew.
          Math.max(1, readyPods) * 2
        : divideUp(rate + queue / policy.drainSeconds, rateTarget);
    bySignal.QueueDepth = Math.min(divideUp(queue, queueTarget), drain);
  }
  // The surplus that drains a backlog is not load: it is forgotten as soon as the queue is empty.
  const steady = rateTarget === undefined ? bySignal.QueueDepth : bySignal.RequestRate;
  return { steady, bySignal };
}

/** ceil(value / target), forgiving the last digits of a binary fraction: 3 x 0.1 at 0.1 asks for 3, not 4. */
function divideUp(value: number, target: number): number {
  return Math.max(0, Math.ceil((value / target) * (1 - 1e-12)));
}
