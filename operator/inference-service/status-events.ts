// Says in events what a new status changes for people: each of them belongs to a change that is written once.

import type { Condition } from "../api/conditions.ts";
import type { InferenceServiceStatus } from "../api/inference-service-status.ts";
import { conditionOf } from "../kube/conditions.ts";
import type { EventDetails } from "../kube/events.ts";

/** What keeps the children from being made, or the spec from being read. */
const blockingReasons = ["InvalidSpec", "ChildNotControlled", "ChildRefused"];

/** The part of a status that events are about. */
type Told = Pick<InferenceServiceStatus, "model"> & { readonly conditions?: readonly Condition[] | undefined };

/** Nothing when the two say the same. */
export function statusEvents(before: Told | undefined, after: Told): EventDetails[] {
  return [
    ...blocked(before, after),
    ...failed(before, after),
    ...rollOut(before, after),
    ...wentBack(before, after),
    ...recovered(before, after),
  ];
}

function blocked(before: Told | undefined, after: Told): EventDetails[] {
  const was = conditionOf(before, "Ready");
  const is = conditionOf(after, "Ready");
  if (is === undefined || !blockingReasons.includes(is.reason)) return [];
  if (was?.reason === is.reason && was.message === is.message) return [];
  return [{ type: "Warning", reason: is.reason, action: "Reconcile", message: is.message }];
}

function rollOut(before: Told | undefined, after: Told): EventDetails[] {
  const revision = after.model?.revision;
  if (revision === undefined) return [];
  const started: EventDetails[] =
    revision === before?.model?.revision
      ? []
      : [
          {
            type: "Normal",
            reason: "RolloutStarted",
            action: "RollOut",
            message: `revision ${revision} is rolled out`,
          },
        ];
  return isCompleted(before, after)
    ? [
        ...started,
        {
          type: "Normal",
          reason: "RolloutCompleted",
          action: "RollOut",
          message: `all replicas run revision ${revision}`,
        },
      ]
    : started;
}

function wentBack(before: Told | undefined, after: Told): EventDetails[] {
  const is = conditionOf(after, "RolloutComplete");
  if (is?.reason !== "RolledBack" || conditionOf(before, "RolloutComplete")?.reason === is.reason) return [];
  return [{ type: "Warning", reason: is.reason, action: "RollBack", message: is.message }];
}

/**
 * Replicas that are added leave the roll-out incomplete for a while, too. What was a roll-out has loaded a model since
 * it became incomplete. Times of conditions are of one form, so that their text can be compared.
 */
function isCompleted(before: Told | undefined, after: Told): boolean {
  const was = conditionOf(before, "RolloutComplete");
  const model = conditionOf(after, "ModelReady");
  if (was === undefined || was.status === "True" || model === undefined) return false;
  return conditionOf(after, "RolloutComplete")?.status === "True" && model.lastTransitionTime >= was.lastTransitionTime;
}

function failed(before: Told | undefined, after: Told): EventDetails[] {
  const was = before?.model?.lastFailure;
  const is = after.model?.lastFailure;
  if (is === undefined || (was?.time === is.time && was.reason === is.reason && was.message === is.message)) return [];
  return [{ type: "Warning", reason: is.reason, action: "Diagnose", message: is.message }];
}

function recovered(before: Told | undefined, after: Told): EventDetails[] {
  const is = conditionOf(after, "ModelReady");
  if (conditionOf(before, "ModelReady")?.status !== "False" || is?.status !== "True") return [];
  return [{ type: "Normal", reason: "Recovered", action: "Diagnose", message: is.message }];
}
