// A container that runs: its hooks and probes, and its end in order.

import type { Container, Probe } from "kubernetes-types/core/v1.js";
import { wait } from "../../../operator/kube/clock.ts";
import { runAction } from "./actions.ts";
import type { ContainerAttempt } from "./container-attempt.ts";
import type { ContainerServices, PodContext } from "./contexts.ts";
import type { ProbeKind } from "./probe-state.ts";
import { runProber } from "./prober.ts";

export interface RunningContainerOptions {
  readonly container: Container;
  readonly attempt: ContainerAttempt;
  readonly pod: PodContext;
  readonly services: ContainerServices;
  /** The startup probe has passed, or there is none. */
  readonly onStarted: () => void;
  readonly onReadiness: (ready: boolean) => void;
}

/** How long a container gets at least after its preStop hook has used up the grace period, as from a kubelet. */
const minGraceMs = 2000;
const defaultGraceSeconds = 30;

export class RunningContainer {
  readonly #options: RunningContainerOptions;
  /** Ends with the process: a container that is told to end still says whether it is ready. */
  readonly #ended = new AbortController();
  /** Ends when the container is told to end: nothing may restart it then. */
  readonly #ending = new AbortController();
  #whenEnded: Promise<void> | undefined;

  /** Runs the postStart hook and then the probes, in the background. */
  constructor(options: RunningContainerOptions) {
    this.#options = options;
    const { attempt, container } = options;
    void attempt.ended.catch(() => {}).then(() => this.#stopProbes());
    void this.#runPostStart().then(() => {
      if (container.startupProbe === undefined) this.#start();
      else this.#probe("startup", this.#ending.signal);
    });
  }

  /** Once, however often it is asked for: preStop hook, SIGTERM, and SIGKILL when the grace period is over. */
  end(graceSeconds: number): Promise<void> {
    this.#whenEnded ??= this.#end(graceSeconds);
    return this.#whenEnded;
  }

  kill(): void {
    this.#ending.abort();
    this.#options.attempt.process.kill();
  }

  #stopProbes(): void {
    this.#ended.abort();
    this.#ending.abort();
  }

  #start(): void {
    if (this.#ended.signal.aborted) return;
    this.#options.onStarted();
    this.#probe("readiness", this.#ended.signal);
    this.#probe("liveness", this.#ending.signal);
  }

  async #runPostStart(): Promise<void> {
    const { container, attempt, pod } = this.#options;
    const hook = container.lifecycle?.postStart;
    if (hook === undefined) return;
    const result = await runAction(hook, attempt.target, this.#ended.signal);
    if (result.success || this.#ended.signal.aborted) return;
    pod.emitEvent("Warning", "FailedPostStartHook", `PostStartHook failed: ${result.message}`);
    void this.end(this.#graceSeconds());
  }

  #probe(kind: ProbeKind, signal: AbortSignal): void {
    const { container, attempt, pod, services, onReadiness } = this.#options;
    const probe: Probe | undefined = container[`${kind}Probe`];
    if (probe === undefined || signal.aborted) return;
    const label = `${kind[0]?.toUpperCase()}${kind.slice(1)}`;
    void runProber({
      kind,
      probe,
      signal,
      clock: services.clock,
      target: attempt.target,
      onVerdict: (passing) => {
        if (kind === "readiness") onReadiness(passing);
        else if (kind === "startup" && passing) this.#start();
      },
      onFailure: (message) => pod.emitEvent("Warning", "Unhealthy", `${label} probe failed: ${message}`),
      onDead: () => {
        pod.emitEvent("Normal", "Killing", `Container ${container.name} failed ${kind} probe, will be restarted`);
        void this.end(probe.terminationGracePeriodSeconds ?? this.#graceSeconds());
      },
    });
  }

  #graceSeconds(): number {
    return this.#options.pod.pod.spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds;
  }

  async #end(graceSeconds: number): Promise<void> {
    const { container, attempt, pod, services } = this.#options;
    const deadlineMs = services.clock.nowMs() + graceSeconds * 1000;
    this.#ending.abort();
    const hook = container.lifecycle?.preStop;
    if (hook !== undefined && graceSeconds > 0) {
      const hookEnds = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(graceSeconds * 1000)]);
      const result = await runAction(hook, attempt.target, hookEnds);
      if (!result.success && !this.#ended.signal.aborted) {
        pod.emitEvent("Warning", "FailedPreStopHook", `PreStopHook failed: ${result.message}`);
      }
    }
    if (graceSeconds > 0) {
      attempt.process.terminate();
      await wait(services.clock, Math.max(minGraceMs, deadlineMs - services.clock.nowMs()), this.#ended.signal);
    }
    attempt.process.kill();
    await attempt.ended.catch(() => {});
  }
}
