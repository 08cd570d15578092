// Takes one pod through its life: set-up, init containers, containers, deletion; and reports its status all along.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Pod, PodCondition } from "kubernetes-types/core/v1.js";
import { backoffMs } from "../../../operator/kube/backoff.ts";
import { maxTimerMs, wait } from "../../../operator/kube/clock.ts";
import type { Logger } from "../../../operator/kube/types.ts";
import type { ContainerLog } from "./container-log.ts";
import type { ContainerServices, EmitEvent, PodContext } from "./contexts.ts";
import { PodContainers } from "./pod-containers.ts";
import { type PodSetup, type PodSetupServices, setUpPod } from "./pod-setup.ts";
import { computePodStatus } from "./pod-status.ts";
import { StatusWriter } from "./status-writer.ts";

export interface PodWorkerOptions {
  readonly pod: Pod;
  readonly nodeCapacity: Readonly<Record<string, string>>;
  readonly dataDirectory: string;
  readonly emitEvent: EmitEvent;
  readonly containers: ContainerServices;
  readonly setup: PodSetupServices;
  readonly logger: Logger;
  readonly random: () => number;
}

export class PodWorker {
  readonly #options: PodWorkerOptions;
  readonly #containers: PodContainers;
  /** Aborted when the pod is to end: by its deletion, or with the process node. */
  readonly #stopping = new AbortController();
  /** Aborted when the API server no longer has the pod: nothing is to be reported. */
  readonly #gone = new AbortController();
  readonly #startedAt: Date;
  readonly #writer: StatusWriter;
  readonly #finished: Promise<void>;
  #pod: Pod;
  #graceSeconds: number | undefined;
  #conditions: readonly PodCondition[];
  #podAddress: string | undefined;
  #ended = false;

  /** Starts at once. A pod that was running on this node before starts anew, its restarts counted on. */
  constructor(options: PodWorkerOptions) {
    const { pod, containers: services, logger, random } = options;
    this.#options = options;
    this.#pod = pod;
    this.#conditions = pod.status?.conditions ?? [];
    this.#startedAt = pod.status?.startTime === undefined ? services.now() : new Date(pod.status.startTime);
    const { client } = options.setup.api;
    this.#writer = new StatusWriter({ client, clock: services.clock, random, logger, pod, signal: this.#gone.signal });
    this.#containers = new PodContainers({ pod, services, onChange: () => this.#report() });
    this.#finished = this.#run().catch((error: unknown) => logger.error({ err: error }, "pod worker failed"));
    this.update(pod);
  }

  /** Resolves when nothing of the pod is left on this machine. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  log(containerName: string, which: "current" | "previous"): ContainerLog | undefined {
    return this.#containers.log(containerName, which);
  }

  /** The pod as it is now in the API server. */
  update(pod: Pod): void {
    this.#pod = pod;
    if (pod.metadata?.deletionTimestamp === undefined) return;
    const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? 0;
    if (this.#graceSeconds === undefined) {
      this.#graceSeconds = graceSeconds;
      this.#stopping.abort();
      void this.#containers.stop(graceSeconds);
    } else if (graceSeconds < this.#graceSeconds) {
      // Deleted once more, with less patience.
      this.#graceSeconds = graceSeconds;
      const { clock } = this.#options.containers;
      void wait(clock, graceSeconds * 1000, this.#gone.signal).then(() => this.#containers.kill());
    }
  }

  /** The API server has it no more, or the process node ends: everything is killed at once and nothing is reported. */
  kill(): void {
    this.#gone.abort();
    this.#stopping.abort();
    void this.#containers.kill();
  }

  async #run(): Promise<void> {
    const folder = join(this.#options.dataDirectory, "pods", this.#pod.metadata?.uid ?? "");
    const { phase } = this.#pod.status ?? {};
    if (phase !== "Succeeded" && phase !== "Failed") {
      this.#report();
      const setup = await this.#setUp(folder);
      if (setup !== undefined) await this.#runContainers(setup);
      this.#ended = this.#stopping.signal.aborted;
      this.#report();
    }
    // The object of a pod that has completed stays, and so do its logs, until somebody deletes it.
    await whenAborted(this.#stopping.signal);
    if (this.#ended) this.#report();
    await this.#writer.flushed();
    await this.#finishInApi();
    await rm(folder, { recursive: true, force: true });
  }

  /** Tries until it works; `undefined` when the pod is to end first. */
  async #setUp(folder: string): Promise<PodSetup | undefined> {
    const { setup: services, nodeCapacity, emitEvent, containers, random } = this.#options;
    for (let failures = 0; !this.#stopping.signal.aborted; ) {
      try {
        const setup = await setUpPod({ pod: this.#pod, folder, nodeCapacity, emitEvent, services });
        this.#podAddress = setup.context.podAddress;
        this.#report();
        return setup;
      } catch (error) {
        failures += 1;
        const { code, message } = error as Error & { code?: string };
        emitEvent("Warning", code === "FailedMount" ? code : "FailedCreatePodSandBox", message);
        const delayMs = backoffMs(failures, { baseMs: 1000, maxMs: 30_000, random });
        await wait(containers.clock, delayMs, this.#stopping.signal);
      }
    }
    return undefined;
  }

  async #runContainers({ context, remove }: PodSetup): Promise<void> {
    void this.#keepVolumesFresh(context);
    const graceSeconds = this.#pod.spec?.terminationGracePeriodSeconds ?? 30;
    await this.#containers.run(context, () => this.#graceSeconds ?? graceSeconds);
    await remove();
  }

  async #keepVolumesFresh({ volumes }: PodContext): Promise<void> {
    const { containers, logger } = this.#options;
    let delaySeconds = volumes.refreshAfterSeconds;
    while (delaySeconds !== undefined) {
      await wait(containers.clock, Math.min(delaySeconds * 1000, maxTimerMs), this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      try {
        delaySeconds = await volumes.refresh();
      } catch (error) {
        logger.warn({ err: error }, "projected volumes not refreshed; it will be tried again");
        delaySeconds = 30;
      }
    }
  }

  async #finishInApi(): Promise<void> {
    const { setup, containers, random, logger } = this.#options;
    for (let failures = 0; !this.#gone.signal.aborted; ) {
      try {
        return await setup.api.finishPod(this.#pod);
      } catch (error) {
        failures += 1;
        logger.warn({ err: error, failures }, "pod not removed from the API server; it will be tried again");
        await wait(containers.clock, backoffMs(failures, { baseMs: 500, maxMs: 10_000, random }), this.#gone.signal);
      }
    }
  }

  #report(): void {
    const { containers, setup } = this.#options;
    const status = computePodStatus(
      {
        pod: this.#pod,
        startedAt: this.#startedAt,
        hostAddress: setup.hostAddress,
        podAddress: this.#podAddress,
        initContainers: this.#containers.initRecords,
        containers: this.#containers.records,
        ended: this.#ended,
      },
      this.#conditions,
      containers.now(),
    );
    this.#conditions = status.conditions ?? [];
    this.#writer.set(status);
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
