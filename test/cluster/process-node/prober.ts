// Runs one probe of a container in its rhythm and reports when its verdict changes.

import type { Probe } from "kubernetes-types/core/v1.js";
import { type Clock, wait } from "../../../operator/kube/clock.ts";
import { Lifeline } from "../../../operator/kube/lifeline.ts";
import { type ActionResult, type ActionTarget, runAction } from "./actions.ts";
import { initialProbeState, nextProbeState, type ProbeKind } from "./probe-state.ts";

export interface ProberOptions {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  readonly target: ActionTarget;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  onVerdict(passing: boolean): void;
  /** Every failed try, with the reason. */
  onFailure(message: string): void;
  /** The failure threshold of a liveness or startup probe is reached: the container must end. */
  onDead(message: string): void;
}

/** Ends when the signal aborts, when a startup probe has passed, or when the container must end. */
export async function runProber(options: ProberOptions): Promise<void> {
  const { kind, probe, signal, clock } = options;
  const periodMs = (probe.periodSeconds ?? 10) * 1000;
  let state = initialProbeState(kind);
  await wait(clock, (probe.initialDelaySeconds ?? 0) * 1000, signal);
  while (!signal.aborted) {
    const startedMs = clock.nowMs();
    const result = await probeOnce(options);
    if (signal.aborted) return;
    if (!result.success) options.onFailure(result.message);
    const next = nextProbeState(state, result.success, probe);
    if (next.passing !== state.passing) options.onVerdict(next.passing);
    state = next;
    if (kind === "startup" && state.passing) return;
    if (kind !== "readiness" && next.failed) {
      options.onDead(result.message);
      return;
    }
    await wait(clock, Math.max(0, startedMs + periodMs - clock.nowMs()), signal);
  }
}

async function probeOnce({ probe, target, signal, clock }: ProberOptions): Promise<ActionResult> {
  const attempt = new Lifeline(clock, (probe.timeoutSeconds ?? 1) * 1000, signal);
  try {
    return await runAction(probe, target, attempt.signal);
  } finally {
    attempt.end();
  }
}
