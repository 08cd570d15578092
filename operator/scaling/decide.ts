// Decides how many replicas one service needs: signals in, decision out.

import type { MetricType } from "../api/inference-service-spec.ts";
import { type DataQuality, judgeData } from "./data-quality.ts";
import type { Observation } from "./observation.ts";
import type { ScalingPolicy } from "./policy.ts";
import { proposeReplicas } from "./proposals.ts";
import type { ServiceSignals } from "./signal.ts";

/** What a decision needs to remember. `initialState` remembers nothing, so it lowers nothing. */
export interface ScalingState {
  /** Steady proposals of the last stabilisation window, oldest first. */
  readonly history: readonly { readonly atMs: number; readonly replicas: number }[];
  /** Since when the data has covered all pods without a gap. */
  readonly coveredSinceMs?: number | undefined;
  /** Since when there has been a gap without a break. */
  readonly gapSinceMs?: number | undefined;
  /** When the last decision was made. Time without decisions is a gap like any other. */
  readonly decidedAtMs?: number | undefined;
}

export const initialState: ScalingState = { history: [] };

export type Limit = "minReplicas" | "maxReplicas" | "floor";

export interface Decision {
  /** Replicas that the service should have: the floor, within the bounds. */
  readonly desiredReplicas: number;
  /** What the HPA must not go below, before the bounds are applied. */
  readonly floor: number;
  /** Per signal, the replicas that it asks for. Absent: not configured, or unknown. */
  readonly proposals: Readonly<Partial<Record<MetricType, number>>>;
  /** The signal that asks for most; absent when none is known. */
  readonly winner?: MetricType | undefined;
  /** What keeps `desiredReplicas` from being the winner's proposal. */
  readonly limit?: Limit | undefined;
  readonly data: DataQuality;
  /** What the spec wants while signals are missing; absent while they are not, or not for long enough. */
  readonly fallbackReplicas?: number | undefined;
  /** Replicas may rise but not fall: the windows have not been full for long enough since a gap or a start. */
  readonly recovering: boolean;
  /** Values for the HPA. Absent: not to be trusted, so not served, and the HPA holds. */
  readonly servedValues: Readonly<Partial<Record<MetricType, number>>>;
  readonly state: ScalingState;
}

/**
 * Pure and total. Invariants, each a property in decide.test.ts:
 * - the result lies within minReplicas and maxReplicas;
 * - while a signal is unknown, partial or not yet covered by its window, the result is not below the present
 *   replicas or the previous floor (but for maxReplicas);
 * - more load never asks for fewer replicas.
 */
export function decide(policy: ScalingPolicy, observed: Observation, state: ScalingState, nowMs: number): Decision {
  const { bySignal, steady } = proposeReplicas(policy, observed.signals, observed.expectedPods + observed.newPods);
  const data = judgeData(policy, observed);
  const covered = data.quality === "complete" || data.quality === "settling";
  const next: ScalingState = {
    history: remember(policy, state, steady, nowMs),
    coveredSinceMs: covered ? (coveredBefore(policy, state, nowMs) ?? nowMs) : undefined,
    gapSinceMs: data.quality === "gap" ? (state.gapSinceMs ?? nowMs) : undefined,
    decidedAtMs: nowMs,
  };
  const fallbackReplicas = missingMetricsReplicas(policy, next, nowMs);
  const coveredSeconds = next.coveredSinceMs === undefined ? -1 : (nowMs - next.coveredSinceMs) / 1000;
  const recovering = coveredSeconds < policy.rateWindowSeconds + policy.stabilizationWindowSeconds;

  const winner = strongest(bySignal);
  const demand = winner === undefined ? 0 : (bySignal[winner] ?? 0);
  const needed = Math.max(demand, fallbackReplicas ?? 0, ...next.history.map((entry) => entry.replicas));
  const mayLower = data.quality === "complete" && !recovering;
  const floor = mayLower ? needed : Math.max(needed, observed.currentReplicas, observed.previousFloor);
  const desiredReplicas = Math.min(Math.max(floor, policy.minReplicas), policy.maxReplicas);
  return {
    desiredReplicas,
    floor,
    proposals: bySignal,
    winner,
    limit: bindingLimit(policy, demand, desiredReplicas),
    data,
    fallbackReplicas,
    recovering,
    servedValues: coveredSeconds >= policy.rateWindowSeconds ? valuesForHpa(policy, observed.signals, bySignal) : {},
    state: next,
  };
}

function missingMetricsReplicas(
  { onMissingMetrics }: ScalingPolicy,
  { gapSinceMs }: ScalingState,
  nowMs: number,
): number | undefined {
  if (onMissingMetrics === undefined || gapSinceMs === undefined) return undefined;
  return nowMs - gapSinceMs >= onMissingMetrics.afterSeconds * 1000 ? onMissingMetrics.replicas : undefined;
}

/** A process that was paused, or a clock that jumped, leaves a hole in what is remembered. */
function coveredBefore(policy: ScalingPolicy, state: ScalingState, nowMs: number): number | undefined {
  const silenceMs = nowMs - (state.decidedAtMs ?? nowMs);
  const steady = silenceMs >= 0 && silenceMs <= policy.rateWindowSeconds * 1000;
  return steady ? state.coveredSinceMs : undefined;
}

function remember(
  policy: ScalingPolicy,
  state: ScalingState,
  steady: number | undefined,
  nowMs: number,
): ScalingState["history"] {
  const oldestMs = nowMs - policy.stabilizationWindowSeconds * 1000;
  const kept = state.history.filter((entry) => entry.atMs > oldestMs);
  return steady === undefined ? kept : [...kept, { atMs: nowMs, replicas: steady }];
}

function strongest(proposals: Decision["proposals"]): MetricType | undefined {
  const { RequestRate: rate, QueueDepth: queue } = proposals;
  if (rate === undefined) return queue === undefined ? undefined : "QueueDepth";
  return queue !== undefined && queue > rate ? "QueueDepth" : "RequestRate";
}

function bindingLimit(policy: ScalingPolicy, demand: number, desiredReplicas: number): Limit | undefined {
  if (demand > policy.maxReplicas) return "maxReplicas";
  if (desiredReplicas > Math.max(demand, policy.minReplicas)) return "floor";
  return demand < policy.minReplicas ? "minReplicas" : undefined;
}

/** The HPA divides by the target alone, so the queue is served capped: it then arrives at the same proposal. */
function valuesForHpa(
  policy: ScalingPolicy,
  signals: ServiceSignals,
  proposals: Decision["proposals"],
): Decision["servedValues"] {
  const served: Partial<Record<MetricType, number>> = {};
  const { RequestRate: rate, QueueDepth: queue } = signals;
  const { RequestRate: rateTarget, QueueDepth: queueTarget } = policy.targets;
  if (rateTarget !== undefined && rate.known) served.RequestRate = rate.value;
  if (queueTarget !== undefined && queue.known && proposals.QueueDepth !== undefined) {
    served.QueueDepth = Math.min(queue.value, proposals.QueueDepth * queueTarget);
  }
  return served;
}
