// The containers of one pod: init containers one after the other, then all others beside each other, and their end.

import type { Container, Pod } from "kubernetes-types/core/v1.js";
import type { RestartPolicy } from "./back-off.ts";
import type { ContainerLog } from "./container-log.ts";
import type { ContainerRecord } from "./container-record.ts";
import { ContainerRunner } from "./container-runner.ts";
import type { ContainerServices, PodContext } from "./contexts.ts";

export interface PodContainersOptions {
  readonly pod: Pod;
  readonly services: ContainerServices;
  /** Called after each change of a container's record. */
  readonly onChange: () => void;
}

export class PodContainers {
  readonly #init: readonly ContainerRunner[];
  readonly #sidecars: readonly ContainerRunner[];
  readonly #main: readonly ContainerRunner[];
  readonly #stopping = new AbortController();
  readonly #changeListeners = new Set<() => void>();

  constructor({ pod, services, onChange }: PodContainersOptions) {
    const initContainers = pod.spec?.initContainers ?? [];
    const policy = (pod.spec?.restartPolicy ?? "Always") as RestartPolicy;
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
    const changed = (): void => {
      onChange();
      for (const listener of this.#changeListeners) listener();
    };
    const runner = (container: Container, restartPolicy: RestartPolicy, isFirst: boolean): ContainerRunner => {
      const before = statuses.find(({ name }) => name === container.name);
      return new ContainerRunner({
        container,
        restartPolicy,
        restartCount: before?.containerID === undefined ? 0 : before.restartCount + 1,
        waitingReason: isFirst ? "ContainerCreating" : "PodInitializing",
        services,
        onChange: changed,
      });
    };
    this.#init = initContainers.map((container) => runner(container, initPolicy(container, policy), false));
    this.#sidecars = this.#init.filter((_, index) => initContainers[index]?.restartPolicy === "Always");
    const isFirst = initContainers.length === 0;
    this.#main = (pod.spec?.containers ?? []).map((container) => runner(container, policy, isFirst));
  }

  get initRecords(): readonly ContainerRecord[] {
    return this.#init.map(({ record }) => record);
  }

  get records(): readonly ContainerRecord[] {
    return this.#main.map(({ record }) => record);
  }

  log(containerName: string, which: "current" | "previous"): ContainerLog | undefined {
    return [...this.#init, ...this.#main].find(({ record }) => record.name === containerName)?.log(which);
  }

  /** Resolves when no container runs and none will run again. Sidecars end after the others, within `graceSeconds`. */
  async run(context: PodContext, graceSeconds: () => number): Promise<void> {
    if (await this.#runInitContainers(context)) await Promise.all(this.#main.map((runner) => runner.run(context)));
    await Promise.all(this.#sidecars.map((runner) => runner.stop(graceSeconds())));
  }

  /** Containers first, then the sidecars that may serve them until the end. */
  async stop(graceSeconds: number): Promise<void> {
    this.#stopping.abort();
    const others = this.#init.filter((runner) => !this.#sidecars.includes(runner));
    await Promise.all([...this.#main, ...others].map((runner) => runner.stop(graceSeconds)));
    await Promise.all(this.#sidecars.map((runner) => runner.stop(graceSeconds)));
  }

  async kill(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#main, ...this.#init].map((runner) => runner.kill()));
  }

  /** `false` when one failed for good or the pod is to end. */
  async #runInitContainers(context: PodContext): Promise<boolean> {
    for (const runner of this.#init) {
      if (this.#sidecars.includes(runner)) {
        const started = this.#whenStarted(runner);
        void runner.run(context);
        await started;
      } else {
        await runner.run(context);
        if (runner.record.state.terminated?.exitCode !== 0) return false;
      }
      if (this.#stopping.signal.aborted) return false;
    }
    return true;
  }

  #whenStarted(runner: ContainerRunner): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!runner.record.started && !this.#stopping.signal.aborted) return;
        this.#changeListeners.delete(check);
        resolve();
      };
      this.#changeListeners.add(check);
      this.#stopping.signal.addEventListener("abort", check, { once: true });
    });
  }
}

/** An init container must succeed once; one that is a sidecar runs as long as the pod. */
function initPolicy(container: Container, podPolicy: RestartPolicy): RestartPolicy {
  if (container.restartPolicy === "Always") return "Always";
  return podPolicy === "Never" ? "Never" : "OnFailure";
}
