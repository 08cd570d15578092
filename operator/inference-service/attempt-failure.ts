// Finds out whether the attempt to roll out a revision has failed, so that the serving revision has to come back. Pure.

import type { Deployment, ReplicaSet } from "kubernetes-types/apps/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import type { FailureReason } from "../api/conditions.ts";
import { diagnose, isReady, podsOfRevision } from "./diagnosis.ts";
import type { Failure } from "./failure.ts";
import { rolloutCounts } from "./rollout-counts.ts";

export interface Attempt {
  /** As it is, running the revision that is being rolled out. */
  readonly deployment: Deployment;
  readonly revision: string;
  readonly pods: readonly Pod[];
  readonly serving: ReplicaSet;
  readonly now: Date;
}

export type AttemptState =
  | { readonly kind: "failed"; readonly message: string; readonly failure: Failure | undefined }
  /** Not the revision's fault: replicas are needed at once, and nothing says yet that it can serve. */
  | { readonly kind: "raise"; readonly message: string; readonly failure?: undefined }
  /** `again`: seconds until time alone may have changed this. */
  | { readonly kind: "going on"; readonly again?: number };

/** Another try with the same model, address and settings would end the same way. */
const terminal: ReadonlySet<FailureReason> = new Set<FailureReason>([
  "ImageNameInvalid",
  "InvalidStorageUri",
  "InvalidStorageSetting",
  "AddressNotAllowed",
  "ModelNotFound",
  "AccessDenied",
  "ModelTooLarge",
  "ChecksumMismatch",
  "ArchiveInvalid",
  "UnsafePath",
  "ModelInvalid",
  "UnsupportedOperator",
  "ModelUnsupported",
  "ContractMismatch",
  "SmokeTestFailed",
  "ExecutionProviderUnavailable",
  "WarmUpFailed",
]);

/** A container that crashed more than once has failed when its pod is as old as this; one crash may be chance. */
const crashLoopSeconds = 60;

export function stateOfAttempt(attempt: Attempt): AttemptState {
  const { deployment, revision, pods, now } = attempt;
  const { observed, late } = rolloutCounts(deployment);
  // What the status says is about an earlier template.
  if (!observed) return { kind: "going on" };
  const failure = diagnose({ pods, revision, deployment });
  if (late) {
    const said = failure === undefined ? "its pods did not become ready" : failure.message;
    return { kind: "failed", message: `not within the progress deadline: ${said}`, failure };
  }
  const own = podsOfRevision(pods, revision);
  // Where one pod can serve, the others' trouble is not the model's.
  if (own.some(isReady)) return { kind: "going on" };
  if (failure !== undefined && terminal.has(failure.reason))
    return { kind: "failed", message: failure.message, failure };
  const looping = own.filter(isCrashLooping).map((pod) => crashLoopSeconds - ageSeconds(pod, now));
  const left = looping.length === 0 ? undefined : Math.min(...looping);
  if (left !== undefined && left <= 0) {
    return { kind: "failed", message: failure?.message ?? "the container crashes again and again", failure };
  }
  if (needsRaise(attempt)) {
    return { kind: "raise", message: "more replicas were needed while none of its pods was ready" };
  }
  return left === undefined ? { kind: "going on" } : { kind: "going on", again: left };
}

function isCrashLooping({ status }: Pod): boolean {
  return status?.containerStatuses?.some(({ state }) => state?.waiting?.reason === "CrashLoopBackOff") === true;
}

function ageSeconds({ metadata }: Pod, now: Date): number {
  return (now.getTime() - Date.parse(metadata?.creationTimestamp ?? now.toISOString())) / 1000;
}

/**
 * The Deployment's controller splits a raise over both revisions, so the serving one falls behind the count. Where
 * pods may be unavailable during a roll-out it is behind anyway.
 */
function needsRaise({ deployment: { spec }, serving }: Attempt): boolean {
  const { type, rollingUpdate } = spec?.strategy ?? {};
  const keepsAll = type === "RollingUpdate" && /^0+%?$/.test(String(rollingUpdate?.maxUnavailable));
  const isUp = (serving.status?.readyReplicas ?? 0) > 0;
  return keepsAll && isUp && (serving.spec?.replicas ?? 0) < (spec?.replicas ?? 0);
}
