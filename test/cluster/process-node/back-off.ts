// When a container that ended starts again: at once the first time, then after 10 s, 20 s, 40 s, ... up to 5 min.

import type { RestartBackOff } from "./config.ts";

/** Delays of the restarts so far; `seconds` is the delay before the next restart. */
export interface BackOffState {
  readonly seconds: number;
}

export const noBackOff: BackOffState = { seconds: 0 };

/** The state after a container that ran for `ranForSeconds` has ended. */
export function nextBackOff(
  state: BackOffState,
  ranForSeconds: number,
  limits: RestartBackOff,
): BackOffState & { readonly delaySeconds: number } {
  if (ranForSeconds >= limits.resetAfterSeconds) return { seconds: limits.initialSeconds, delaySeconds: 0 };
  const doubled = state.seconds === 0 ? limits.initialSeconds : state.seconds * 2;
  return { seconds: Math.min(doubled, limits.maxSeconds), delaySeconds: state.seconds };
}

export type RestartPolicy = "Always" | "OnFailure" | "Never";

export function shouldRestart(policy: RestartPolicy, exitCode: number): boolean {
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}
