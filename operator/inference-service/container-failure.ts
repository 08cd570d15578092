// Finds why the containers of a pod do not run, from what the kubelet says about them.

import type {
  ContainerStateTerminated,
  ContainerStateWaiting,
  ContainerStatus,
  Pod,
} from "kubernetes-types/core/v1.js";
import { conditionOf } from "../kube/conditions.ts";
import { type Failure, failure } from "./failure.ts";
import { serverFailure } from "./server-failure.ts";

/** Undefined while every container runs, or may still come up for all that is known. */
export function containerFailure(pod: Pod): Failure | undefined {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  for (const container of [...initContainerStatuses, ...containerStatuses]) {
    const found = failureOf(container, pod);
    if (found !== undefined) return found;
  }
  return undefined;
}

function failureOf({ name, ready, started, state, lastState }: ContainerStatus, pod: Pod): Failure | undefined {
  // What came up since has nothing to do with how the run before it ended.
  if (ready || started === true) return undefined;
  const waiting = state?.waiting === undefined ? undefined : waitingFailure(state.waiting);
  if (waiting !== undefined) return waiting;
  const ended = state?.terminated ?? lastState?.terminated;
  if (ended === undefined || isDone(ended, name, pod)) return undefined;
  return endFailure(ended, pod);
}

/** An init container that has ended well has done its work. */
function isDone({ exitCode }: ContainerStateTerminated, name: string, { status }: Pod): boolean {
  return exitCode === 0 && status?.initContainerStatuses?.some((init) => init.name === name) === true;
}

function waitingFailure({ reason, message = "" }: ContainerStateWaiting): Failure | undefined {
  switch (reason) {
    case "CreateContainerConfigError":
      return /(?:secret|configmap) "[^"]*" not found|couldn't find key .* in (?:Secret|ConfigMap)/i.test(message)
        ? failure("MissingSecretOrConfigMap", "the pod names a Secret or ConfigMap that is not there", message)
        : failure("ContainerConfigInvalid", "the container's configuration cannot be made", message);
    case "InvalidImageName":
      return failure("ImageNameInvalid", "the image's name is not valid", message);
    case "ErrImagePull":
    case "ImagePullBackOff":
    case "ErrImageNeverPull":
    case "ImageInspectError":
    case "RegistryUnavailable":
    case "SignatureValidationFailed":
      // The kubelet says the same with and without these words in turn.
      return failure(
        "ImagePullFailed",
        "the image cannot be pulled",
        message.replace(/^Back-off pulling image "[^"]*"(?:: (?:ErrImagePull: )?|$)/, ""),
      );
    case "CreateContainerError":
    case "RunContainerError":
    case "PreCreateHookError":
    case "PreStartHookError":
    case "PostStartHookError":
      return failure("ContainerStartFailed", "the container cannot be started", message);
    default:
      return undefined;
  }
}

function endFailure(ended: ContainerStateTerminated, pod: Pod): Failure {
  const { exitCode, reason, message = "" } = ended;
  if (reason === "OOMKilled") {
    return wasServing(ended, pod)
      ? failure("OutOfMemoryWhileServing", "the container took more memory than its limit while it answered requests")
      : failure("OutOfMemoryWhileLoading", "the container took more memory than its limit before the model was loaded");
  }
  if (reason === "StartError" || reason === "ContainerCannotRun") {
    return failure("ContainerStartFailed", "the container cannot be started", message);
  }
  return (
    serverFailure(message) ??
    failure("ContainerCrashed", `the container ended with exit code ${exitCode}`, lastWords(message))
  );
}

/**
 * Whether the pod was ready in the run that has ended: it stopped being ready when that run ended, and not before the
 * run began. Kubernetes' times are whole seconds.
 */
function wasServing({ startedAt, finishedAt }: ContainerStateTerminated, { status }: Pod): boolean {
  const ready = conditionOf(status, "Ready");
  const changedMs = Date.parse(ready?.lastTransitionTime ?? "");
  return changedMs > Date.parse(startedAt ?? "") && changedMs >= Date.parse(finishedAt ?? "");
}

/**
 * Of a log the line that says most, without the time that programs write in front of it: the last error, else the
 * last line. Log lines of the server are JSON with a `msg`.
 */
function lastWords(log: string): string {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const line = lines.findLast((candidate) => /^\s*[\w.]*(?:Error|Exception)\b/.test(candidate)) ?? lines.at(-1) ?? "";
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
    return typeof msg === "string" ? msg : line;
  } catch {
    return line;
  }
}
