// Keeps one container of a pod running: starts it, probes it, starts it again with back-off, ends it in order.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Container, ContainerStateTerminated } from "kubernetes-types/core/v1.js";
import { wait } from "../../../operator/kube/clock.ts";
import { type BackOffState, nextBackOff, noBackOff, type RestartPolicy, shouldRestart } from "./back-off.ts";
import { type ContainerAttempt, ImageError, startAttempt } from "./container-attempt.ts";
import { ContainerLog } from "./container-log.ts";
import { type ContainerRecord, newRecord, timestamp } from "./container-record.ts";
import type { ContainerServices, PodContext } from "./contexts.ts";
import { RunningContainer } from "./running-container.ts";

export interface ContainerRunnerOptions {
  readonly container: Container;
  readonly restartPolicy: RestartPolicy;
  /** More than 0 when the pod ran before the process node did. */
  readonly restartCount: number;
  /** Why the container waits at first. */
  readonly waitingReason: "ContainerCreating" | "PodInitializing";
  readonly services: ContainerServices;
  /** Called after each change of `record`. */
  readonly onChange: () => void;
}

export class ContainerRunner {
  readonly #options: ContainerRunnerOptions;
  readonly #stopping = new AbortController();
  readonly #logs = new Map<"current" | "previous", ContainerLog>();
  #record: ContainerRecord;
  #running: RunningContainer | undefined;
  #finished: Promise<void> = Promise.resolve();

  constructor(options: ContainerRunnerOptions) {
    this.#options = options;
    this.#record = newRecord(options.container, options);
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  /** Undefined when there is no such attempt. The attempt before a restart that is still to come is both: current and previous. */
  log(which: "current" | "previous"): ContainerLog | undefined {
    const waitsForRestart = this.#record.state.waiting !== undefined && this.#record.containerId !== undefined;
    return this.#logs.get(waitsForRestart ? "current" : which);
  }

  /** Resolves when the container has ended and will not start again; never rejects. */
  run(pod: PodContext): Promise<void> {
    const { logger } = this.#options.services;
    this.#finished = this.#loop(pod).catch((error: unknown) => logger.error({ err: error }, "container given up"));
    return this.#finished;
  }

  async #loop(pod: PodContext): Promise<void> {
    const { services, restartPolicy } = this.#options;
    const { signal } = this.#stopping;
    let backOff: BackOffState = noBackOff;
    while (!signal.aborted) {
      const terminated = await this.#runOnce(pod);
      if (terminated === undefined) {
        // It never ran. A missing object may appear any time, so this wait does not grow.
        await wait(services.clock, services.restartBackOff.initialSeconds * 1000, signal);
        continue;
      }
      if (signal.aborted || !shouldRestart(restartPolicy, terminated.exitCode ?? 1)) return;
      const ranForSeconds = secondsBetween(terminated.startedAt, terminated.finishedAt);
      const next = nextBackOff(backOff, ranForSeconds, services.restartBackOff);
      backOff = next;
      await this.#pauseBeforeRestart(pod, terminated, next.delaySeconds);
    }
  }

  async #pauseBeforeRestart(
    pod: PodContext,
    terminated: ContainerStateTerminated,
    delaySeconds: number,
  ): Promise<void> {
    const { services, container } = this.#options;
    if (delaySeconds > 0) {
      const message = `back-off ${delaySeconds}s restarting failed container=${container.name} pod=${pod.pod.metadata?.name}`;
      this.#update({ state: { waiting: { reason: "CrashLoopBackOff", message } }, lastTerminated: terminated });
      pod.emitEvent("Warning", "BackOff", message);
      await wait(services.clock, delaySeconds * 1000, this.#stopping.signal);
    }
    // A container that is stopped while it waits did end, and its state says how.
    if (this.#stopping.signal.aborted) this.#update({ state: { terminated } });
    else this.#update({ lastTerminated: terminated, restartCount: this.#record.restartCount + 1 });
  }

  /** `undefined` when the container could not be started. */
  async #runOnce(pod: PodContext): Promise<ContainerStateTerminated | undefined> {
    const attempt = await this.#start(pod);
    if (attempt === undefined) return undefined;
    const { container, services } = this.#options;
    this.#update({ state: { running: { startedAt: timestamp(attempt.startedAt) } }, containerId: attempt.id });
    pod.emitEvent("Normal", "Started", `Container started: ${container.name}`);
    this.#running = new RunningContainer({
      container,
      attempt,
      pod,
      services,
      onStarted: () => this.#update({ started: true, ready: container.readinessProbe === undefined }),
      onReadiness: (ready) => this.#update({ ready }),
    });
    // It was told to stop while it was being started.
    if (this.#stopping.signal.aborted) this.#running.kill();
    const terminated = await attempt.ended;
    this.#running = undefined;
    this.#update({ state: { terminated }, started: false, ready: false });
    return terminated;
  }

  async #start(pod: PodContext): Promise<ContainerAttempt | undefined> {
    const { container, services } = this.#options;
    try {
      const log = await this.#nextLog(pod);
      return await startAttempt({ container, number: this.#record.restartCount, log, pod, services });
    } catch (error) {
      await this.#logs.get("current")?.close();
      this.#reportStartError(pod, error as Error);
      return undefined;
    }
  }

  #reportStartError(pod: PodContext, error: Error & { code?: string }): void {
    // The first failure and the following ones have different names for images, as from a kubelet.
    const again = error instanceof ImageError && this.#record.state.waiting?.reason === error.code;
    const reason = again ? "ImagePullBackOff" : (error.code ?? "CreateContainerError");
    const before = this.#record.state.waiting;
    if (before?.reason !== reason || before.message !== error.message)
      pod.emitEvent("Warning", "Failed", error.message);
    if (before?.reason === "ImagePullBackOff") return;
    this.#update({ state: { waiting: { reason, message: error.message } } });
  }

  /** Ends the container for good: preStop hook, SIGTERM, and SIGKILL when the grace period is over. */
  async stop(graceSeconds: number): Promise<void> {
    this.#stopping.abort();
    await this.#running?.end(graceSeconds);
    await this.#finished;
  }

  /** Ends the container for good and at once. */
  async kill(): Promise<void> {
    this.#stopping.abort();
    this.#running?.kill();
    await this.#finished;
  }

  /** The log of the attempt that begins; the one before it stays readable, older ones go. */
  async #nextLog(pod: PodContext): Promise<ContainerLog> {
    const folder = join(pod.folder, "logs", this.#record.name);
    await mkdir(folder, { recursive: true });
    const current = this.#logs.get("current");
    // An attempt that could not be started has said nothing worth keeping.
    if (current !== undefined && this.#record.containerId !== undefined) {
      await this.#logs.get("previous")?.remove();
      this.#logs.set("previous", current);
    }
    const log = new ContainerLog(join(folder, `${this.#record.restartCount}.log`), this.#options.services.now);
    this.#logs.set("current", log);
    return log;
  }

  #update(changes: Partial<ContainerRecord>): void {
    this.#record = { ...this.#record, ...changes };
    this.#options.onChange();
  }
}

function secondsBetween(from = "", to = ""): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}
