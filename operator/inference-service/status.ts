// Computes the part of the status that the reconciler owns, from the service and its Deployment as they are.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { type Condition, type Finding, finding, mergeConditions } from "../api/conditions.ts";
import { revisionLabel } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import { selectorText, serviceUrl } from "../resources/names.ts";

/** What the reconciler writes below `status`. The autoscaler owns the rest of it. */
export interface ReconciledStatus {
  readonly observedGeneration: number;
  readonly url: string;
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly selector: string;
  readonly model?: { readonly revision: string };
  readonly conditions: readonly Condition[];
}

export interface StatusInput {
  readonly service: InferenceService;
  /** The service's own Deployment; absent when there is none yet, or one that belongs to somebody else. */
  readonly deployment?: Deployment | undefined;
  /** Why the children cannot be made; overrides what the pods say about Ready. */
  readonly blocked?: Finding<"Ready"> | undefined;
}

export function computeStatus({ service, deployment, blocked }: StatusInput, now: Date): ReconciledStatus {
  const generation = service.metadata.generation ?? 0;
  const revision = deployment?.spec?.template.metadata?.labels?.[revisionLabel];
  const findings = [blocked ?? readyFinding(service, deployment), rolloutFinding(deployment)];
  return {
    observedGeneration: generation,
    url: serviceUrl(service),
    replicas: deployment?.status?.replicas ?? 0,
    readyReplicas: deployment?.status?.readyReplicas ?? 0,
    selector: selectorText(service.metadata.name),
    // Never an empty object: server-side apply would turn it into null, which the schema refuses.
    ...(revision === undefined ? {} : { model: { revision } }),
    conditions: mergeConditions(service.status?.conditions ?? [], findings, generation, now),
  };
}

/**
 * | ready pods            | Ready | reason          |
 * |-----------------------|-------|-----------------|
 * | none                  | False | NoReadyReplicas |
 * | fewer than the least  | False | TooFewReplicas  |
 * | the least or more     | True  | Serving         |
 *
 * An earlier revision that serves during a roll-out counts: RolloutComplete tells the two apart.
 */
function readyFinding(service: InferenceService, deployment: Deployment | undefined): Finding<"Ready"> {
  const ready = deployment?.status?.readyReplicas ?? 0;
  const least = leastReplicas(service);
  const message = `${ready} of at least ${least} replicas ${ready === 1 ? "is" : "are"} ready`;
  if (least > 0 && ready === 0) return finding("Ready", "False", "NoReadyReplicas", message);
  if (ready < least) return finding("Ready", "False", "TooFewReplicas", message);
  return finding("Ready", "True", "Serving", ready === 1 ? "1 replica is ready" : `${ready} replicas are ready`);
}

function leastReplicas(service: InferenceService): number {
  const { autoScaling, minReplicas, replicas } = service.spec.predictor;
  return autoScaling.mode === "External" ? (replicas ?? minReplicas) : minReplicas;
}

function rolloutFinding(deployment: Deployment | undefined): Finding<"RolloutComplete"> {
  const counts = rolloutCounts(deployment);
  if (!counts.observed) {
    return finding("RolloutComplete", "False", "RollingOut", "the newest revision is not rolled out yet");
  }
  const { total, updated, available, wanted } = counts;
  const message = `${updated} of ${wanted} replicas run the newest revision; ${available} replicas of any revision are available`;
  if (counts.progress === "ProgressDeadlineExceeded") {
    return finding("RolloutComplete", "False", "ProgressDeadlineExceeded", message);
  }
  return updated >= wanted && available >= wanted && total === updated
    ? finding("RolloutComplete", "True", "UpToDate", "all replicas run the newest revision")
    : finding("RolloutComplete", "False", "RollingOut", message);
}

/** A Deployment's counts with zero for what its controller leaves out; not observed: they are about an earlier spec. */
function rolloutCounts(deployment: Deployment | undefined) {
  const { metadata, spec, status } = deployment ?? {};
  const { observedGeneration = 0, replicas: total = 0, updatedReplicas: updated = 0 } = status ?? {};
  return {
    observed: deployment !== undefined && observedGeneration >= (metadata?.generation ?? 0),
    wanted: spec?.replicas ?? 0,
    total,
    updated,
    available: status?.availableReplicas ?? 0,
    progress: status?.conditions?.find((condition) => condition.type === "Progressing")?.reason,
  };
}
