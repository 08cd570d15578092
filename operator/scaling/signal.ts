// A signal of one service at one moment: a number that can be trusted, or the reason why there is none.

import type { MetricType } from "../api/inference-service-spec.ts";

/** Why a signal has no value. Each is also a reason of the MetricsAvailable condition. */
export type UnknownReason =
  | "PrometheusUnreachable"
  | "PrometheusError"
  | "InvalidSamples"
  | "NoSamples"
  | "StaleSamples";

export interface KnownSignal {
  readonly known: true;
  /** Sum over all pods: requests per second (RequestRate) or requests (QueueDepth). Finite, at least 0. */
  readonly value: number;
  /**
   * Ready pods with a fresh sample. Fewer than are expected: the sum understates the load. As long as an expected pod
   * is missing, recent ones are not counted, and pods that are not ready never are: none of them can stand in for it.
   */
  readonly reportingPods: number;
}

export interface UnknownSignal {
  readonly known: false;
  readonly reason: UnknownReason;
  /** One sentence for people. */
  readonly message: string;
}

/** Unknown is a state of its own, never 0. */
export type Signal = KnownSignal | UnknownSignal;

export type ServiceSignals = Readonly<Record<MetricType, Signal>>;

export function unknownSignal(reason: UnknownReason, message: string): UnknownSignal {
  return { known: false, reason, message };
}
