// What is known of one container of a pod: its states as the API shows them, restarts, readiness.

import type { Container, ContainerState, ContainerStateTerminated } from "kubernetes-types/core/v1.js";

export interface ContainerRecord {
  readonly name: string;
  readonly image: string;
  /** Exactly one of waiting, running and terminated. */
  readonly state: ContainerState;
  /** How the attempt before the current one ended. */
  readonly lastTerminated: ContainerStateTerminated | undefined;
  readonly containerId: string | undefined;
  readonly restartCount: number;
  /** Running, and its startup probe has passed. */
  readonly started: boolean;
  /** Started, and its readiness probe passes. */
  readonly ready: boolean;
}

/** A container that has not been started yet. */
export function newRecord(
  container: Container,
  { waitingReason, restartCount }: { readonly waitingReason: string; readonly restartCount: number },
): ContainerRecord {
  return {
    name: container.name,
    image: container.image ?? "",
    state: { waiting: { reason: waitingReason } },
    lastTerminated: undefined,
    containerId: undefined,
    restartCount,
    started: false,
    ready: false,
  };
}

export interface TerminationInput {
  readonly exitCode: number;
  readonly memoryKills: number;
  readonly message: string;
  readonly containerId: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
}

/** A memory kill of any of the container's processes is named as the reason only when it ended the container. */
export function terminatedState(input: TerminationInput): ContainerStateTerminated {
  const { exitCode } = input;
  const killedForMemory = input.memoryKills > 0 && exitCode !== 0;
  const failureReason = killedForMemory ? "OOMKilled" : "Error";
  return {
    exitCode,
    reason: exitCode === 0 ? "Completed" : failureReason,
    ...(input.message !== "" && { message: input.message }),
    containerID: input.containerId,
    startedAt: timestamp(input.startedAt),
    finishedAt: timestamp(input.finishedAt),
  };
}

/** The API's times have whole seconds. */
export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
