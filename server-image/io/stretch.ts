// How long, and with how many clients, workers and I/O are measured together: as the model needs it, and as time allows.

import type { LoadedModel } from "../models/load-model.ts";

/** As many as busy services have, since large batches need them; fewer where the model is so slow that they would wait for long. */
const MOST_CLIENTS = 128;
const LONGEST_WAIT_SECONDS = 0.3;
const WARM_UP_MS = 400;
const MEASURE_MS = 600;
/** Slow models give few answers in a short time, but nobody waits for long. */
const ENOUGH_RUNS = 12;
const LONGEST_MEASURE_MS = 1500;
/** Fewer say less than what was computed from single runs. */
const LEAST_RUNS = 5;
/** Of the lengths above. A stretch that is shorter says less as well. */
const LEAST_SHARE = 0.4;
/** A port and its connections. */
const SET_UP_MS = 100;

export interface Stretch {
  readonly connections: number;
  readonly warmUpMs: number;
  /** After the warm-up. */
  readonly milliseconds: number;
  /** Of one run, where several are in progress the time between two ends. */
  readonly runMs: number;
  /** What it takes in all. */
  readonly totalMs: number;
}

/** Undefined where nothing is known of the model's runs. */
export function wishedStretch({
  plan: { maxBatchSize },
  calibration: { rowsPerSecond },
  runner: { parallelRuns },
}: {
  readonly plan: Pick<LoadedModel["plan"], "maxBatchSize">;
  readonly calibration: Pick<LoadedModel["calibration"], "rowsPerSecond">;
  readonly runner: Pick<LoadedModel["runner"], "parallelRuns">;
}): Stretch | undefined {
  if (rowsPerSecond === undefined) {
    return undefined;
  }
  const bearable = Math.floor(LONGEST_WAIT_SECONDS * rowsPerSecond);
  const connections = Math.max(parallelRuns, Math.min(MOST_CLIENTS, bearable));
  const runMs = (1000 * maxBatchSize) / rowsPerSecond;
  const milliseconds = Math.min(LONGEST_MEASURE_MS, Math.max(MEASURE_MS, ENOUGH_RUNS * runMs));
  const lastAnswersMs = (1000 * connections) / rowsPerSecond;
  const totalMs = SET_UP_MS + WARM_UP_MS + milliseconds + lastAnswersMs;
  return { connections, warmUpMs: WARM_UP_MS, milliseconds, runMs, totalMs };
}

/** The stretch, shortened to fit into the time; undefined where that is too short to say anything. */
export function fittingStretch(wished: Stretch, leftMs: number): Stretch | undefined {
  const { warmUpMs, milliseconds, runMs, totalMs } = wished;
  const excessMs = Math.max(0, totalMs - leftMs);
  const share = 1 - excessMs / (warmUpMs + milliseconds);
  if (share < LEAST_SHARE || milliseconds * share < LEAST_RUNS * runMs) {
    return undefined;
  }
  return { ...wished, warmUpMs: warmUpMs * share, milliseconds: milliseconds * share, totalMs: totalMs - excessMs };
}
