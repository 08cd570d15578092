// Computes a pod's status from the records of its containers, as a kubelet reports it.

import type { ContainerStatus, Pod, PodCondition, PodStatus } from "kubernetes-types/core/v1.js";
import { type ContainerRecord, timestamp } from "./container-record.ts";

export interface PodSnapshot {
  /** As last seen in the API: its spec, and the conditions that its readiness gates are about. */
  readonly pod: Pod;
  readonly startedAt: Date;
  readonly hostAddress: string;
  /** Undefined before the pod has a network. */
  readonly podAddress: string | undefined;
  readonly initContainers: readonly ContainerRecord[];
  readonly containers: readonly ContainerRecord[];
  /** No container runs and none will run again, because the pod was told to end. */
  readonly ended: boolean;
}

/** @param previous the conditions of the last status; a condition keeps its transition time while its status is the same */
export function computePodStatus(snapshot: PodSnapshot, previous: readonly PodCondition[], now: Date): PodStatus {
  const { pod, podAddress, hostAddress } = snapshot;
  const phase = podPhase(snapshot);
  return {
    phase,
    conditions: computeConditions(snapshot, phase).map((condition) => {
      const before = previous.find(({ type }) => type === condition.type);
      const unchanged = before?.status === condition.status ? before.lastTransitionTime : undefined;
      return { ...condition, lastTransitionTime: unchanged ?? timestamp(now) };
    }),
    hostIP: hostAddress,
    hostIPs: [{ ip: hostAddress }],
    ...(podAddress !== undefined && { podIP: podAddress, podIPs: [{ ip: podAddress }] }),
    startTime: timestamp(snapshot.startedAt),
    ...((pod.spec?.initContainers?.length ?? 0) > 0 && {
      initContainerStatuses: snapshot.initContainers.map(containerStatus),
    }),
    containerStatuses: snapshot.containers.map(containerStatus),
  };
}

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed";

export function podPhase(snapshot: PodSnapshot): PodPhase {
  const { pod, initContainers, containers, ended } = snapshot;
  const restartPolicy = pod.spec?.restartPolicy ?? "Always";
  const states = containers.map(({ state }) => state);
  const allSucceeded = states.every(({ terminated }) => terminated?.exitCode === 0);
  if (ended) return allSucceeded ? "Succeeded" : "Failed";
  if (!isInitialized(snapshot)) {
    const failed = initContainers.some(({ state }) => (state.terminated?.exitCode ?? 0) !== 0);
    return failed && restartPolicy === "Never" ? "Failed" : "Pending";
  }
  // A container that waits for its restart has run: the pod goes on as running.
  if (containers.some(({ state, lastTerminated }) => state.waiting !== undefined && lastTerminated === undefined))
    return "Pending";
  if (states.some(({ terminated }) => terminated === undefined)) return "Running";
  if (restartPolicy === "Always") return "Running";
  if (allSucceeded) return "Succeeded";
  return restartPolicy === "Never" ? "Failed" : "Running";
}

/** Every init container has succeeded, and every one that keeps running beside the others (a sidecar) has started. */
function isInitialized({ pod, initContainers, containers }: PodSnapshot): boolean {
  if (containers.some(({ containerId }) => containerId !== undefined)) return true;
  return (pod.spec?.initContainers ?? []).every(({ name, restartPolicy }) => {
    const record = initContainers.find((container) => container.name === name);
    return restartPolicy === "Always" ? record?.started === true : record?.state.terminated?.exitCode === 0;
  });
}

type NewCondition = Pick<PodCondition, "type" | "status" | "reason" | "message">;

function computeConditions(snapshot: PodSnapshot, phase: PodPhase): NewCondition[] {
  const { pod, podAddress, containers } = snapshot;
  const isDone = phase === "Succeeded" || phase === "Failed";
  const initialized = isInitialized(snapshot);
  const unready = containers.filter(({ ready }) => !ready).map(({ name }) => name);
  const done: NewCondition = {
    type: "",
    status: "False",
    reason: phase === "Succeeded" ? "PodCompleted" : "PodFailed",
  };
  const notReady: NewCondition = {
    type: "",
    status: "False",
    reason: "ContainersNotReady",
    message: `containers with unready status: [${unready.join(" ")}]`,
  };
  const containersReady = unready.length === 0 ? { type: "", status: "True" } : notReady;
  const missingGate = (pod.spec?.readinessGates ?? []).find(
    ({ conditionType }) =>
      !pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === "True"),
  );
  const gated: NewCondition | undefined = missingGate && {
    type: "",
    status: "False",
    reason: "ReadinessGatesNotReady",
    message: `the status of pod readiness gate "${missingGate.conditionType}" is not "True"`,
  };
  const ready = unready.length === 0 ? (gated ?? containersReady) : containersReady;
  return [
    { type: "PodReadyToStartContainers", status: podAddress !== undefined && !isDone ? "True" : "False" },
    initialized || phase === "Succeeded"
      ? { type: "Initialized", status: "True" }
      : { type: "Initialized", status: "False", reason: "ContainersNotInitialized" },
    { ...(isDone ? done : ready), type: "Ready" },
    { ...(isDone ? done : containersReady), type: "ContainersReady" },
  ];
}

function containerStatus(record: ContainerRecord): ContainerStatus {
  return {
    name: record.name,
    image: record.image,
    // There is no registry, so no digest: the image's name is all there is.
    imageID: record.containerId === undefined ? "" : record.image,
    state: record.state,
    ...(record.lastTerminated !== undefined && { lastState: { terminated: record.lastTerminated } }),
    ...(record.containerId !== undefined && { containerID: record.containerId }),
    ready: record.ready,
    started: record.started,
    restartCount: record.restartCount,
  };
}
