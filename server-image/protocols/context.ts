// What every protocol is given: the model, where to count, and what the process knows of itself.

import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { ServedModel } from "../models/served-model.ts";

export interface ProtocolContext {
  readonly model: ServedModel;
  readonly metrics: Pick<Metrics, "requestReceived" | "requestEnded">;
  /** True once the server has been told to stop. */
  readonly isStopping: () => boolean;
  /** Those of all threads, as Prometheus' text. */
  readonly renderMetrics: () => Promise<string>;
  /** What was measured at the start, as JSON for later replicas; undefined before. */
  readonly calibration: () => Promise<string | undefined>;
  /** Of the server's package. */
  readonly serverVersion: string;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  readonly log: Log;
}

export const SERVER_NAME = "plimsoll-server";
