// The catalogue of condition types and reasons, and the rule by which a condition changes.

/** Every condition that Plimsoll sets, with its reasons and what each one means. */
export const conditionReasons = {
  Ready: {
    Serving: "At least minReplicas pods of the service answer requests.",
    TooFewReplicas: "Fewer than minReplicas pods are ready; the message says how many.",
    NoReadyReplicas: "No pod is ready, so no request is answered.",
    InvalidSpec: "The spec asks for something that the API server could not check; the message names the field.",
    ChildRefused:
      "The API server forbids an object that this service needs, by a quota or a policy; it is tried again.",
    ChildNotControlled: "An object of the name that this service needs exists and belongs to somebody else.",
  },
  RolloutComplete: {
    UpToDate: "Every pod runs the revision that the spec asks for.",
    RollingOut: "Pods of the newest revision are being made ready; the earlier ones serve until then.",
    ProgressDeadlineExceeded: "The newest revision did not become ready in time; the earlier one goes on serving.",
  },
  MetricsAvailable: {
    SignalsFresh: "Every ready pod reports, and every signal is fresh.",
    WaitingForFirstSamples: "Pods became ready a moment ago; their first samples are not in yet.",
    PrometheusUnreachable: "Prometheus did not answer in time or refused the connection.",
    PrometheusError: "Prometheus answered with an error or with something that is not a query result.",
    InvalidSamples: "A sample is not a finite number.",
    NoSamples: "Prometheus has no recent samples of this service's pods.",
    StaleSamples: "The newest samples are older than three scrape intervals.",
    PartialSamples: "Fewer pods report than are ready: the sum would understate the load.",
  },
  ScalingActive: {
    Scaling: "Replicas follow the load.",
    RecoveringFromGap:
      "Signals were unknown until a moment ago: replicas may rise, and fall only once the windows are full again.",
    MetricsUnknown: "Signals are unknown: replicas stay as they are.",
    ForeignMetricsProvider:
      "Another program serves external.metrics.k8s.io: the autoscaler raises replicas by itself, and nothing lowers them.",
    External: "autoScaling.mode is External: spec.predictor.replicas is the count.",
  },
} as const satisfies Record<string, Record<string, string>>;

export type ConditionType = keyof typeof conditionReasons;
export type Reason<T extends ConditionType> = keyof (typeof conditionReasons)[T];

/** One entry of `status.conditions`. `lastTransitionTime` is RFC 3339, in whole seconds. */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  observedGeneration?: number | undefined;
  lastTransitionTime: string;
  reason: string;
  message: string;
}

/** A condition as a part of the program sees it, before its transition time is known. */
export interface Finding<T extends ConditionType> {
  readonly type: T;
  readonly status: Condition["status"];
  readonly reason: Reason<T>;
  readonly message: string;
}

/** A finding of any type. */
export type AnyFinding = { [T in ConditionType]: Finding<T> }[ConditionType];

/** States a condition. The types tie the reason to the condition it belongs to. */
export function finding<T extends ConditionType>(
  type: T,
  status: Condition["status"],
  reason: Reason<T>,
  message: string,
): Finding<T> {
  return { type, status, reason, message };
}

/** Turns findings into conditions: the transition time moves only when the status flips. */
export function mergeConditions(
  previous: readonly Condition[],
  findings: readonly AnyFinding[],
  generation: number,
  now: Date,
): Condition[] {
  return findings.map((found) => {
    const before = previous.find((condition) => condition.type === found.type);
    const kept = before?.status === found.status ? before.lastTransitionTime : undefined;
    return {
      type: found.type,
      status: found.status,
      observedGeneration: generation,
      lastTransitionTime: kept ?? rfc3339(now),
      reason: found.reason,
      message: found.message,
    };
  });
}

/** A date as Kubernetes writes it: UTC, whole seconds. */
export function rfc3339(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
