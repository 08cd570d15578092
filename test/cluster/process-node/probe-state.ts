// Turns the results of a probe into its verdict by the success and failure thresholds.

import type { Probe } from "kubernetes-types/core/v1.js";

export interface ProbeState {
  /** What the thresholds say; it changes only when a threshold is reached. */
  readonly passing: boolean;
  /** Equal results in a row, and which result that was. */
  readonly run: { readonly success: boolean; readonly count: number };
}

/** Before the first result: a container is alive, but neither started nor ready. */
export function initialProbeState(kind: ProbeKind): ProbeState {
  return { passing: kind === "liveness", run: { success: true, count: 0 } };
}

export type ProbeKind = "startup" | "liveness" | "readiness";

/** @returns `failed` when the failure threshold is reached by this result: liveness and startup then end the container. */
export function nextProbeState(
  state: ProbeState,
  success: boolean,
  thresholds: Pick<Probe, "successThreshold" | "failureThreshold">,
): ProbeState & { readonly failed: boolean } {
  const count = state.run.success === success ? state.run.count + 1 : 1;
  const reached = count >= (success ? (thresholds.successThreshold ?? 1) : (thresholds.failureThreshold ?? 3));
  return {
    passing: reached ? success : state.passing,
    run: { success, count },
    failed: reached && !success,
  };
}
