// How the time between SIGTERM and SIGKILL is shared out.

import type { Config } from "./config.ts";

/** Kubernetes kills at the end of the grace period; a little earlier there is still time to say why. */
const MARGIN_MS = 1000;

/** After SIGTERM, when the process ends whether or not all is answered. */
export function lastMomentMs({ gracePeriodSeconds }: Pick<Config, "gracePeriodSeconds">): number {
  return Math.max(0, gracePeriodSeconds * 1000 - MARGIN_MS);
}

/**
 * After the drain delay, how long clients are waited for that send a request or take an answer slowly. The other half of
 * what is left is the model's: one slow client must not make the end a violent one.
 */
export function patienceMs(config: Pick<Config, "gracePeriodSeconds" | "drainDelaySeconds">): number {
  return Math.max(0, lastMomentMs(config) - config.drainDelaySeconds * 1000) / 2;
}
