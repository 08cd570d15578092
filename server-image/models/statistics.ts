// Counts and durations of one model since its start, in the terms of Triton's statistics extension.

/** How often, and for how long in all. */
export interface DurationStatistic {
  readonly count: number;
  /** Nanoseconds; whole numbers, exact up to 2^53. */
  readonly ns: number;
}

export interface ModelStatistics {
  /** Milliseconds since 1970; 0 before the first inference. */
  readonly lastInferenceMs: number;
  /** Rows inferred: a request of 3 rows counts 3. */
  readonly inferenceCount: number;
  /** Runs of the model; fewer than inferences where requests were joined. */
  readonly executionCount: number;
  readonly success: DurationStatistic;
  readonly fail: DurationStatistic;
  readonly queue: DurationStatistic;
  /** Joining requests, the run itself, and taking its outputs apart. */
  readonly computeInput: DurationStatistic;
  readonly computeInfer: DurationStatistic;
  readonly computeOutput: DurationStatistic;
  /** In ascending order of size. */
  readonly batches: readonly BatchStatistic[];
}

export interface BatchStatistic {
  readonly batchSize: number;
  readonly computeInput: DurationStatistic;
  readonly computeInfer: DurationStatistic;
  readonly computeOutput: DurationStatistic;
}
