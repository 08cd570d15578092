// Says in one sentence why a service has as many replicas as it has.

import type { MetricType } from "../api/inference-service.ts";
import { milliQuantity } from "../api/quantity.ts";
import type { Decision } from "./decide.ts";
import type { ScalingPolicy } from "./policy.ts";
import type { ServiceSignals } from "./signal.ts";

/**
 * @example "RequestRate 42.5/s at 8/s per replica asks for 6; maxReplicas allows 4"
 * @example "QueueDepth 30 at 4 per replica asks for 5"
 * @example "signals are unknown (connection refused): replicas stay"
 */
export function explain(policy: ScalingPolicy, signals: ServiceSignals, decision: Decision): string {
  if (decision.data.quality === "gap") {
    const raise = decision.winner === undefined ? "" : `; of what is known, ${ask(policy, signals, decision)}`;
    return `signals are incomplete (${decision.data.message}): replicas may rise but not fall${raise}`;
  }
  if (decision.winner === undefined) return "no signal yet: replicas stay";
  return ask(policy, signals, decision) + limitClause(policy, decision);
}

function ask(policy: ScalingPolicy, signals: ServiceSignals, decision: Decision): string {
  const type = decision.winner;
  if (type === undefined) return "nothing asks for more";
  const signal = signals[type];
  const unit = units[type];
  const value = signal.known ? `${rounded(signal.value)}${unit}` : "unknown";
  return `${type} ${value} at ${rounded(policy.targets[type] ?? 0)}${unit} per replica asks for ${decision.proposals[type]}`;
}

const units: Readonly<Record<MetricType, string>> = { RequestRate: "/s", QueueDepth: "" };

function limitClause(policy: ScalingPolicy, decision: Decision): string {
  switch (decision.limit) {
    case "maxReplicas":
      return `; maxReplicas allows ${policy.maxReplicas}`;
    case "minReplicas":
      return `; minReplicas is ${policy.minReplicas}`;
    case "floor":
      return decision.recovering
        ? `; not lowered below ${decision.desiredReplicas} until the windows are full again`
        : `; ${decision.desiredReplicas} were needed within the last ${policy.stabilizationWindowSeconds} s`;
    case undefined:
      return "";
  }
}

function rounded(value: number): string {
  return milliQuantity(value).endsWith("m") ? value.toFixed(1) : milliQuantity(value);
}
