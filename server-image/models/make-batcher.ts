// A batcher as the settings and the plan say.

import { Batcher, type BatcherOptions } from "./batcher.ts";
import { BufferPool } from "./buffer-pool.ts";
import { LARGEST_BATCH } from "./calibration.ts";
import type { ModelSettings } from "./options.ts";
import type { Runner } from "./runner.ts";
import type { ExecutionPlan } from "./served-model.ts";

export type BatcherSettings = Pick<
  ModelSettings,
  "maxQueueLength" | "maxQueueBytes" | "maxExpectedWaitMs" | "requestTimeoutSeconds" | "maxBatchSize" | "maxBatchRunMs"
> &
  Pick<BatcherOptions, "observer" | "statistics" | "clock" | "wallClock">;

/** Unused memory kept for inputs of runs. */
const MAX_KEPT_BYTES = 64 * 1024 ** 2;

export function makeBatcher(runner: Runner, plan: ExecutionPlan, settings: BatcherSettings): Batcher {
  return new Batcher(runner, {
    ...settings,
    batchable: plan.batchable,
    maxBatchSize: plan.maxBatchSize,
    batchSizeLimit: settings.maxBatchSize ?? LARGEST_BATCH,
    batchDelayMs: plan.batchDelayMs,
    queueTimeoutMs: settings.requestTimeoutSeconds * 1000,
    buffers: new BufferPool(MAX_KEPT_BYTES),
    afterArrivals: setImmediate,
  });
}
