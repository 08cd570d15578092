// Finds in the scheduler's words why no node takes a pod.

import type { FailureReason } from "../api/conditions.ts";
import { type Failure, failure } from "./failure.ts";

/** Taints that Kubernetes sets itself: a node that has only these was not meant for models in the first place. */
const systemTaint = String.raw`node(?:-role)?\.kubernetes\.io\/`;

/**
 * The first row that matches is the cause. The scheduler names for each node the first of its checks that failed, in
 * the order taints, node affinity, resources, volumes, spread: a node that failed a late check passed the earlier
 * ones, so the latest check is nearest to what was wanted. A taint that Kubernetes did not set is told before
 * the selector, one that it did, or that is not named (from 1.35), after it: most clusters have tainted control planes.
 */
const causes: readonly (readonly [RegExp, FailureReason, string])[] = [
  [
    /unbound immediate PersistentVolumeClaims|persistentvolumeclaim "[^"]*"|persistent volumes? to bind|pvc\(s\)|volume zone|volume node affinity|free storage/i,
    "VolumeNotBound",
    "a volume of the pod cannot be bound",
  ],
  [
    /topology spread constraints|pods? (?:anti-)?affinity rules/,
    "PlacementUnsatisfied",
    "spread or affinity rules leave no node for the pod",
  ],
  [
    /Insufficient [a-z0-9.-]+\/[\w.-]+/,
    "AcceleratorsExhausted",
    "no node that the pod may run on has enough free accelerators",
  ],
  [/Insufficient |Too many pods/, "ResourcesExhausted", "no node that the pod may run on has enough free resources"],
  [
    new RegExp(String.raw`untolerated taint \{(?!${systemTaint})`),
    "UntoleratedTaint",
    "nodes have a taint that the pod does not tolerate",
  ],
  [/node affinity\/selector/, "NoMatchingNode", "no node has the labels that the pod asks for"],
  [
    /untolerated taint|taints? that the pod/,
    "UntoleratedTaint",
    "every node has a taint that the pod does not tolerate",
  ],
];

/** `message` is that of the pod's condition PodScheduled. */
export function schedulingFailure(message: string): Failure {
  // What preemption would do about it repeats the cause, in other words for each node.
  const [cause = ""] = message.split(/\.? (?:no new claims to deallocate, )?preemption: /);
  const [, reason, sentence] = causes.find(([pattern]) => pattern.test(cause)) ?? [
    undefined,
    "Unschedulable" as const,
    "the pod is not placed on a node",
  ];
  return failure(reason, sentence, cause);
}
