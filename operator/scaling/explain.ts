// Says in one sentence why a service has as many replicas as it has.

import type { MetricType } from "../api/inference-service-spec.ts";
import type { Decision } from "./decide.ts";
import type { ScalingPolicy } from "./policy.ts";
import type { ServiceSignals } from "./signal.ts";

/**
 * @example "RequestRate 42.5/s at 8/s per replica asks for 6; maxReplicas allows 4"
 * @example "QueueDepth 20 at 4 per replica asks for 5"
 * @example "QueueDepth 2200 at 4 per replica asks for 26, which drain it within 10 s"
 * @example "signals are unknown (connection refused): replicas stay"
 * @example "signals are missing (connection refused): onMissingMetrics asks for 6"
 * @example "signals are incomplete (2 of 3 ready pods report RequestRate): replicas may rise but not fall; what is known: RequestRate 55/s at 10/s per replica asks for 6"
 */
export function explain(policy: ScalingPolicy, signals: ServiceSignals, decision: Decision): string {
  const { data, winner, limit } = decision;
  if (data.quality !== "gap") {
    return winner === undefined
      ? "no signal yet: replicas stay"
      : ask(policy, signals, decision, winner) + limitClause(policy, decision);
  }
  const fallback = decision.fallbackReplicas;
  if (fallback !== undefined && decision.desiredReplicas <= fallback) {
    return `signals are missing (${data.message}): onMissingMetrics asks for ${fallback}`;
  }
  if (winner === undefined) return `signals are unknown (${data.message}): replicas stay`;
  const known = ask(policy, signals, decision, winner) + (limit === "maxReplicas" ? limitClause(policy, decision) : "");
  return `signals are incomplete (${data.message}): replicas may rise but not fall; what is known: ${known}`;
}

function ask(policy: ScalingPolicy, signals: ServiceSignals, decision: Decision, type: MetricType): string {
  const signal = signals[type];
  const unit = units[type];
  const value = signal.known ? `${roundedUp(signal.value)}${unit}` : "unknown";
  const asked = `${type} ${value} at ${policy.targets[type]}${unit} per replica asks for ${decision.proposals[type]}`;
  return type === "QueueDepth" ? asked + drainClause(policy, signals, decision.proposals.QueueDepth ?? 0) : asked;
}

/** Why a long queue asks for fewer replicas than queue / target. */
function drainClause(policy: ScalingPolicy, { RequestRate: rate, QueueDepth: queue }: ServiceSignals, asked: number) {
  const { RequestRate: rateTarget, QueueDepth: target = 1 } = policy.targets;
  if (!queue.known || asked >= Math.ceil((queue.value / target) * (1 - 1e-12))) return "";
  return rateTarget === undefined || !rate.known
    ? ", at most twice the present replicas"
    : `, which drain it within ${policy.drainSeconds} s`;
}

const units: Readonly<Record<MetricType, string>> = { RequestRate: "/s", QueueDepth: "" };

function limitClause(policy: ScalingPolicy, decision: Decision): string {
  switch (decision.limit) {
    case "maxReplicas":
      return `; maxReplicas allows ${policy.maxReplicas}`;
    case "minReplicas":
      return `; minReplicas is ${policy.minReplicas}`;
    case "floor":
      return `; ${floorClause(policy, decision)}`;
    case undefined:
      return "";
  }
}

function floorClause(policy: ScalingPolicy, { data, desiredReplicas, recovering, state }: Decision): string {
  const kept = `not lowered below ${desiredReplicas}`;
  if (recovering) return `${kept} until the windows are full again`;
  const neededLately = state.history.some(({ replicas }) => replicas >= desiredReplicas);
  if (data.quality === "settling" && !neededLately) return `${kept} until the new pods report`;
  return `${desiredReplicas} were needed within the last ${policy.stabilizationWindowSeconds} s`;
}

/**
 * Three significant digits, thousandths or whole numbers, whichever is nearest to the first. Rounded up like the
 * proposal, so that the sentence never contradicts itself: 30.02/s at 10/s asks for 4 because it is 30.1/s, not 30/s.
 */
function roundedUp(value: number): number {
  const perUnit = 10 ** Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(value))));
  return Math.ceil(value * perUnit * (1 - 1e-12)) / perUnit;
}
