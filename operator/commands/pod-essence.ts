// Of a pod what says whether it serves, how it came up and why it does not: a cluster may have thousands of them.

import type {
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  Pod,
  PodCondition,
} from "kubernetes-types/core/v1.js";
import { inferenceServiceLabel, revisionLabel } from "../api/group.ts";

const keptLabels = [inferenceServiceLabel, revisionLabel];
const keptConditions = ["PodScheduled", "Ready"];
/** As many bytes as the kubelet keeps of a termination message. */
const maxMessage = 4096;

/** A transform for the cache of pods. What changes by itself while nothing happens is left out: probe times, restart counts, back-off timers. */
export function podEssence({ metadata = {}, status = {} }: Pod): Pod {
  const { name, namespace, uid, resourceVersion, creationTimestamp, deletionTimestamp } = metadata;
  const labels = Object.entries(metadata.labels ?? {}).filter(([key]) => keptLabels.includes(key));
  const { phase, reason, message } = status;
  return {
    metadata: defined({
      name,
      namespace,
      uid,
      resourceVersion,
      creationTimestamp,
      deletionTimestamp,
      labels: Object.fromEntries(labels),
    }),
    status: defined({
      phase,
      reason,
      message: cut(message),
      conditions: status.conditions?.filter(({ type }) => keptConditions.includes(type)).map(conditionEssence),
      containerStatuses: status.containerStatuses?.map(containerEssence),
      initContainerStatuses: status.initContainerStatuses?.map(containerEssence),
    }),
  };
}

/** Whether two essences say the same, whatever version each was read at. */
export function isSamePod(before: Pod | undefined, after: Pod | undefined): boolean {
  return before !== undefined && after !== undefined && withoutVersion(before) === withoutVersion(after);
}

function withoutVersion({ metadata, status }: Pod): string {
  return JSON.stringify([{ ...metadata, resourceVersion: undefined }, status]);
}

function conditionEssence({ type, status, reason, message, lastTransitionTime }: PodCondition): PodCondition {
  // Why a pod is not ready is told by its containers.
  return type === "PodScheduled"
    ? defined({ type, status, reason, message: cut(message), lastTransitionTime })
    : defined({ type, status, lastTransitionTime });
}

/** Without the image, the identifiers and the count of restarts, though the type wants them: nobody here reads them. */
function containerEssence({ name, ready, started, state, lastState }: ContainerStatus): ContainerStatus {
  const last = lastState?.terminated === undefined ? undefined : { terminated: terminated(lastState.terminated) };
  return defined({ name, ready, started, state: stateEssence(state), lastState: last }) as ContainerStatus;
}

function stateEssence(state: ContainerState | undefined): ContainerState | undefined {
  if (state?.terminated !== undefined) return { terminated: terminated(state.terminated) };
  if (state?.waiting !== undefined) {
    const { reason, message } = state.waiting;
    // The message of a crash loop counts seconds; what crashed is in lastState.
    return { waiting: defined({ reason, message: reason === "CrashLoopBackOff" ? undefined : cut(message) }) };
  }
  return state?.running === undefined ? undefined : { running: state.running };
}

function terminated(state: ContainerStateTerminated): ContainerStateTerminated {
  const { exitCode, reason, message, startedAt, finishedAt } = state;
  return defined({ exitCode, reason, message: cut(message), startedAt, finishedAt });
}

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= maxMessage ? text : text.slice(0, maxMessage);
}

/** The same without the fields that are undefined, which would take memory. */
function defined<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
