// For tests: how a small model runs that is joined into batches, as calibration would decide it.

import type { ExecutionPlan } from "./served-model.ts";

export const ONE_WORKER: ExecutionPlan = {
  executionProvider: "cpu",
  workers: 1,
  threadsPerWorker: 1,
  inline: false,
  ioThreads: 1,
  batchable: true,
  maxBatchSize: 8,
  batchDelayMs: 0,
};
