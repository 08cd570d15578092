// How far the pods of a Deployment are: its counts, and what its controller says of its progress. Pure.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { conditionOf } from "../kube/conditions.ts";

export interface RolloutCounts {
  /** Whether the counts are about the present spec; before that they are about an earlier one. */
  readonly observed: boolean;
  readonly wanted: number;
  readonly total: number;
  /** Of the newest revision. */
  readonly updated: number;
  readonly available: number;
  readonly ready: number;
  /** Whether the progress deadline has passed. */
  readonly late: boolean;
}

/** Zero for what the Deployment's controller leaves out. */
export function rolloutCounts(deployment: Deployment | undefined): RolloutCounts {
  const { metadata, spec, status } = deployment ?? {};
  return {
    observed: deployment !== undefined && (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0),
    wanted: spec?.replicas ?? 0,
    total: status?.replicas ?? 0,
    updated: status?.updatedReplicas ?? 0,
    available: status?.availableReplicas ?? 0,
    ready: status?.readyReplicas ?? 0,
    late: conditionOf(status, "Progressing")?.reason === "ProgressDeadlineExceeded",
  };
}

/** Everywhere the newest revision, all of it available. */
export function isComplete({ observed, wanted, total, updated, available }: RolloutCounts): boolean {
  return observed && updated >= wanted && available >= wanted && total === updated;
}
