// Whether a new revision has to take the accelerators of the old one, because none is free for a pod beside it. Pure.

import type { Deployment, DeploymentStrategy } from "kubernetes-types/apps/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import { revisionLabel } from "../api/group.ts";
import { conditionOf } from "../kube/conditions.ts";
import { isReady, podsOfRevision } from "./diagnosis.ts";

/** One old pod goes before the new one comes. */
export const inPlaceStrategy: DeploymentStrategy = {
  type: "RollingUpdate",
  rollingUpdate: { maxSurge: 0, maxUnavailable: 1 },
};

/** A node may be about to come, or a pod about to end. */
const patienceSeconds = 15;

/** What the scheduler says of a resource that a device plugin offers, such as nvidia.com/gpu. */
const noAccelerator = /Insufficient [a-z0-9.-]+\/[\w.-]+/;

export function isInPlace({ spec }: Deployment): boolean {
  const { type, rollingUpdate } = spec?.strategy ?? {};
  return type === "RollingUpdate" && String(rollingUpdate?.maxSurge) === "0" && rollingUpdate?.maxUnavailable === 1;
}

/** Seconds until the old pods have to make room, 0 or less: now. Undefined: the roll-out goes on without. */
export function secondsUntilInPlace(pods: readonly Pod[], revision: string, now: Date): number | undefined {
  const waiting = podsOfRevision(pods, revision).filter((pod) => !isReady(pod));
  const since = waiting.map(waitsForAcceleratorSince);
  const earlier = pods.filter(({ metadata }) => metadata?.labels?.[revisionLabel] !== revision);
  // A pod that loads will let an old one go; one that ends gives back what it holds.
  if (waiting.length === 0 || since.includes(undefined) || earlier.length === 0 || earlier.some(isEnding)) {
    return undefined;
  }
  const last = Math.max(...since.map((time) => time ?? 0));
  return patienceSeconds - (now.getTime() - last) / 1000;
}

function waitsForAcceleratorSince({ status }: Pod): number | undefined {
  const scheduled = conditionOf(status, "PodScheduled");
  if (scheduled?.status !== "False" || scheduled.reason !== "Unschedulable") return undefined;
  return noAccelerator.test(scheduled.message ?? "") ? Date.parse(scheduled.lastTransitionTime ?? "") : undefined;
}

function isEnding({ metadata }: Pod): boolean {
  return metadata?.deletionTimestamp !== undefined;
}
