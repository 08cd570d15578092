// The catalogue of condition types and reasons, and the rule by which a condition changes.

import { publicText } from "./public-text.ts";

/** Why pods are not made, placed, started or kept running: a reason of each condition in `conditionsThatFail`. */
export const failureReasons = {
  QuotaExceeded: "A quota of the namespace forbids another pod.",
  PodRefused: "The API server refuses to create a pod: a policy, a limit range or a webhook forbids it.",
  NoMatchingNode: "No node has the labels that the pod's node selector or node affinity asks for.",
  AcceleratorsExhausted: "No node that the pod may run on has enough free GPUs.",
  ResourcesExhausted: "No node that the pod may run on has enough free CPU, memory, storage or room for pods.",
  UntoleratedTaint: "The nodes that the pod may run on have a taint that it does not tolerate.",
  VolumeNotBound: "A PersistentVolumeClaim does not exist, is not bound, or is bound where the pod cannot run.",
  PlacementUnsatisfied: "Topology spread or pod affinity leaves no node for the pod.",
  Unschedulable: "The scheduler found no node, for another reason that the message gives.",
  PodFailed: "A node gave up the pod: it was evicted, or not admitted.",
  MissingSecretOrConfigMap: "A Secret or ConfigMap that the pod names, or the key in it, does not exist.",
  ContainerConfigInvalid: "The kubelet cannot make the container's configuration.",
  ImageNameInvalid: "The image's name is not one.",
  ImagePullFailed: "The image cannot be pulled.",
  ContainerStartFailed: "The container runtime cannot start the container.",
  OutOfMemoryWhileLoading: "The container took more memory than its limit before the model was loaded.",
  OutOfMemoryWhileServing: "The container took more memory than its limit while it answered requests.",
  ContainerCrashed: "The container ended; the message has the exit code and what it said last.",
  InvalidStorageUri: "The server cannot use the model's address.",
  InvalidStorageSetting: "A setting beside the model's address is wrong or missing, such as a credential's form.",
  AddressNotAllowed: "The model's host has an address that downloads may not connect to.",
  ModelNotFound: "Nothing is at the model's address, or nothing that is a model.",
  AccessDenied: "The storage or the file system denies access to the model.",
  StorageUnavailable: "The model's storage cannot be reached, or kept failing.",
  DownloadTimeout: "The download took longer than is allowed.",
  ModelTooLarge: "The model has more bytes or files than are allowed.",
  WriteFailed: "The pod's disk did not take the downloaded model.",
  ChecksumMismatch: "The downloaded model is not the one that was asked for.",
  ArchiveInvalid: "The archive that holds the model is damaged, or of an unknown kind.",
  UnsafePath: "A name or a link in the model leads out of the model's folder.",
  ModelInvalid: "The model is damaged, or no model of its format.",
  UnsupportedOperator: "The model uses an operator, or a version of one, that the server's runtime does not have.",
  ModelUnsupported: "The model has inputs or outputs that no protocol can carry.",
  ExecutionProviderUnavailable: "The model cannot run on the GPU that it was meant for.",
  ContractMismatch: "The model's inputs or outputs are not those that the spec promises.",
  SmokeTestFailed: "The model does not answer the spec's sample request as expected.",
  WorkerFailed: "The thread that loads the model died.",
  WarmUpFailed: "The model loads, and fails when it is run for the first time.",
  ServerFailed: "The server ended with an error of its own; the message has it.",
} as const satisfies Record<string, string>;

export type FailureReason = keyof typeof failureReasons;

/** Every condition that Plimsoll sets, with its reasons and what each one means. */
export const conditionReasons = {
  Ready: {
    Serving: "At least minReplicas pods of the service answer requests, and the newest revision is among them.",
    ServingEarlierRevision:
      "At least minReplicas pods answer requests, none of them of the newest revision; observedGeneration is an earlier one.",
    TooFewReplicas: "Fewer than minReplicas pods are ready; the message says how many.",
    NoReadyReplicas: "No pod is ready, so no request is answered.",
    InvalidSpec: "The spec asks for something that the API server could not check; the message names the field.",
    ChildRefused:
      "The API server forbids an object that this service needs, by a quota or a policy; it is tried again.",
    ChildNotControlled: "An object of the name that this service needs exists and belongs to somebody else.",
    ...failureReasons,
  },
  ModelReady: {
    Loaded: "A pod has loaded the revision that the spec asks for, and has warmed it up.",
    Loading: "No pod has loaded the revision that the spec asks for yet, and none has failed to.",
    NoReplicas: "No replica is wanted, so no pod has loaded the revision.",
    ...failureReasons,
  },
  RolloutComplete: {
    UpToDate: "Every pod runs the revision that the spec asks for.",
    Paused:
      "The annotation serving.plimsoll.dev/paused keeps Plimsoll from changing anything but replicas; remove it to go on.",
    RollingOut: "Pods of the newest revision are being made ready; the earlier ones serve until then.",
    ReplacingInPlace:
      "No accelerator is free for further pods, so pods of the earlier revision go before their successors come.",
    RolledBack:
      "The revision that the spec asks for failed; the earlier one goes on serving until the time that the message gives.",
    ProgressDeadlineExceeded: "The newest revision did not become ready in time; the earlier one goes on serving.",
    ...failureReasons,
  },
  Reconciling: {
    RollingOut: "The cluster is being brought to what the spec asks for.",
    ReplacingInPlace: "Pods are being exchanged one by one, because no accelerator is free for further ones.",
    ChildRefused: "The API server forbids an object that this service needs; it is tried again.",
    ...failureReasons,
  },
  Stalled: {
    InvalidSpec: "The spec has to be changed first; the message names the field.",
    ChildNotControlled: "Somebody else's object has to go first; the message names it.",
    ProgressDeadlineExceeded: "The newest revision did not become ready in time.",
    RolledBack: "The revision that the spec asks for failed; the message says why and when it is tried again.",
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
    MetricsUnknown: "Signals are unknown: replicas stay as they are, or rise to what onMissingMetrics asks for.",
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

/** States a condition. The types tie the reason to the condition it belongs to; the message may be of any origin. */
export function finding<T extends ConditionType>(
  type: T,
  status: Condition["status"],
  reason: Reason<T>,
  message: string,
): Finding<T> {
  return { type, status, reason, message: publicText(message) };
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
