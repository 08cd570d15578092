// Statistics of a model in the JSON form of Triton's statistics extension.

import type { DurationStatistic, ModelStatistics } from "../../models/statistics.ts";

/** No answer comes from a cache here. */
const NEVER: DurationStatistic = { count: 0, ns: 0 };

export function describeStatistics(name: string, version: string, statistics: ModelStatistics): unknown {
  return {
    model_stats: [
      {
        name,
        version,
        last_inference: statistics.lastInferenceMs,
        inference_count: statistics.inferenceCount,
        execution_count: statistics.executionCount,
        inference_stats: {
          success: statistics.success,
          fail: statistics.fail,
          queue: statistics.queue,
          compute_input: statistics.computeInput,
          compute_infer: statistics.computeInfer,
          compute_output: statistics.computeOutput,
          cache_hit: NEVER,
          cache_miss: NEVER,
        },
        batch_stats: statistics.batches.map(({ batchSize, computeInput, computeInfer, computeOutput }) => ({
          batch_size: batchSize,
          compute_input: computeInput,
          compute_infer: computeInfer,
          compute_output: computeOutput,
        })),
      },
    ],
  };
}
