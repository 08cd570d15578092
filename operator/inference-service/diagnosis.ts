// Says in one sentence why pods of a revision do not serve, from what the cluster says about them. Pure.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import { revisionLabel } from "../api/group.ts";
import { conditionOf } from "../kube/conditions.ts";
import { containerFailure } from "./container-failure.ts";
import { type Failure, failure } from "./failure.ts";
import { rolloutCounts } from "./rollout-counts.ts";
import { schedulingFailure } from "./scheduling-failure.ts";

export interface DiagnosisInput {
  /** The service's pods, of any revision. */
  readonly pods: readonly Pod[];
  /** The revision in question: the newest one. */
  readonly revision: string;
  readonly deployment: Deployment;
}

/**
 * The most telling failure among the pods of the revision: of a container before one of placement, and that before the
 * refusal to make a pod at all. Undefined while every pod serves or may still come up. Pods are not named: the same
 * failure of another pod is the same failure.
 */
export function diagnose({ pods, revision, deployment }: DiagnosisInput): Failure | undefined {
  const own = podsOfRevision(pods, revision);
  const alive = own.filter((pod) => pod.status?.phase !== "Failed");
  const waiting = alive.filter((pod) => !isReady(pod));
  return (
    first(waiting.map(containerFailure)) ??
    first(waiting.map(placementFailure)) ??
    creationFailure(deployment) ??
    // Evicted pods stay to be looked at: they count while there is no other.
    (alive.length === 0 ? first(own.map(podFailure)) : undefined)
  );
}

/** Pods of the revision that are not being deleted. */
export function podsOfRevision(pods: readonly Pod[], revision: string): readonly Pod[] {
  return pods.filter(
    ({ metadata }) => metadata?.labels?.[revisionLabel] === revision && metadata.deletionTimestamp === undefined,
  );
}

export function isReady(pod: Pod): boolean {
  return conditionOf(pod.status, "Ready")?.status === "True";
}

/** Whether the startup probes have passed: the model is loaded and warmed up, though the pod may be overloaded now. */
export function hasLoaded(pod: Pod): boolean {
  const containers = pod.status?.containerStatuses ?? [];
  return isReady(pod) || (containers.length > 0 && containers.every(({ started }) => started === true));
}

/** In the order of the text, so that the same failures give the same sentence in whatever order pods come. */
function first(failures: readonly (Failure | undefined)[]): Failure | undefined {
  return failures.filter((found) => found !== undefined).toSorted((a, b) => (a.message < b.message ? -1 : 1))[0];
}

function placementFailure({ status }: Pod): Failure | undefined {
  const scheduled = conditionOf(status, "PodScheduled");
  return scheduled?.status === "False" ? schedulingFailure(scheduled.message ?? scheduled.reason ?? "") : undefined;
}

/** Said by the ReplicaSet's controller when the API server refuses a pod; the pod's name is another one each time. */
function creationFailure(deployment: Deployment): Failure | undefined {
  if (!rolloutCounts(deployment).observed) return undefined;
  const refused = conditionOf(deployment.status, "ReplicaFailure");
  if (refused?.status !== "True" || refused.reason !== "FailedCreate") return undefined;
  const message = (refused.message ?? "").replace(/^pods "[^"]*" is forbidden: /, "");
  return message.startsWith("exceeded quota")
    ? failure("QuotaExceeded", "a quota of the namespace forbids another pod", message)
    : failure("PodRefused", "a pod cannot be created", message);
}

function podFailure({ status }: Pod): Failure {
  const { reason = "no reason given", message = "" } = status ?? {};
  return failure("PodFailed", `the node gave up the pod (${reason})`, message);
}
