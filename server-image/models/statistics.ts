// Counts and durations of one model since its start, in the terms of Triton's statistics extension.

/** How often, and for how long in all. */
export interface DurationStatistic {
  readonly count: number;
  /** Nanoseconds; whole numbers, exact up to 2^53. */
  readonly ns: number;
}

export interface BatchStatistic {
  readonly batchSize: number;
  readonly computeInput: DurationStatistic;
  readonly computeInfer: DurationStatistic;
  readonly computeOutput: DurationStatistic;
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

/** Clients choose the sizes of their requests: the list of sizes must not grow with their fancy. */
const MAX_BATCH_SIZES = 256;

class Duration {
  count = 0;
  #ms = 0;

  add(ms: number, times = 1): void {
    this.count += times;
    this.#ms += ms * times;
  }

  snapshot(): DurationStatistic {
    return { count: this.count, ns: Math.round(this.#ms * 1e6) };
  }
}

/** Milliseconds of the parts of one run. */
export interface RunDurations {
  readonly inputMs: number;
  readonly inferMs: number;
  readonly outputMs: number;
}

class RunStatistics {
  readonly #input = new Duration();
  readonly #infer = new Duration();
  readonly #output = new Duration();

  /** Triton counts the parts once for each request of the run. */
  add({ inputMs, inferMs, outputMs }: RunDurations, times: number): void {
    this.#input.add(inputMs, times);
    this.#infer.add(inferMs, times);
    this.#output.add(outputMs, times);
  }

  snapshot() {
    return {
      computeInput: this.#input.snapshot(),
      computeInfer: this.#infer.snapshot(),
      computeOutput: this.#output.snapshot(),
    };
  }
}

export class StatisticsRecorder {
  readonly #success = new Duration();
  readonly #fail = new Duration();
  readonly #queue = new Duration();
  readonly #runs = new RunStatistics();
  readonly #byBatchSize = new Map<number, RunStatistics>();
  #lastInferenceMs = 0;
  #inferenceCount = 0;
  #executionCount = 0;

  /** @param wallClockMs milliseconds since 1970 */
  ran(run: RunDurations & { rows: number; requests: number; wallClockMs: number }): void {
    this.#executionCount += 1;
    this.#inferenceCount += run.rows;
    this.#lastInferenceMs = run.wallClockMs;
    this.#runs.add(run, run.requests);
    let bySize = this.#byBatchSize.get(run.rows);
    if (bySize === undefined) {
      if (this.#byBatchSize.size >= MAX_BATCH_SIZES) {
        return;
      }
      bySize = new RunStatistics();
      this.#byBatchSize.set(run.rows, bySize);
    }
    bySize.add(run, 1);
  }

  queued(ms: number): void {
    this.#queue.add(ms);
  }

  succeeded(ms: number): void {
    this.#success.add(ms);
  }

  failed(ms: number): void {
    this.#fail.add(ms);
  }

  snapshot(): ModelStatistics {
    return {
      lastInferenceMs: this.#lastInferenceMs,
      inferenceCount: this.#inferenceCount,
      executionCount: this.#executionCount,
      success: this.#success.snapshot(),
      fail: this.#fail.snapshot(),
      queue: this.#queue.snapshot(),
      ...this.#runs.snapshot(),
      batches: [...this.#byBatchSize]
        .map(([batchSize, runs]) => ({ batchSize, ...runs.snapshot() }))
        .toSorted((a, b) => a.batchSize - b.batchSize),
    };
  }
}

/** The figures of several threads as those of one model. */
export function addStatistics(all: readonly ModelStatistics[]): ModelStatistics {
  const sum = (pick: (one: ModelStatistics) => number) => all.reduce((total, one) => total + pick(one), 0);
  const add = (pick: (one: ModelStatistics) => DurationStatistic) => ({
    count: sum((one) => pick(one).count),
    ns: sum((one) => pick(one).ns),
  });
  return {
    lastInferenceMs: Math.max(0, ...all.map(({ lastInferenceMs }) => lastInferenceMs)),
    inferenceCount: sum(({ inferenceCount }) => inferenceCount),
    executionCount: sum(({ executionCount }) => executionCount),
    success: add(({ success }) => success),
    fail: add(({ fail }) => fail),
    queue: add(({ queue }) => queue),
    computeInput: add(({ computeInput }) => computeInput),
    computeInfer: add(({ computeInfer }) => computeInfer),
    computeOutput: add(({ computeOutput }) => computeOutput),
    batches: addBatches(all.flatMap(({ batches }) => batches)),
  };
}

function addBatches(all: readonly BatchStatistic[]): BatchStatistic[] {
  const bySize = new Map<number, BatchStatistic>();
  for (const batch of all) {
    const known = bySize.get(batch.batchSize);
    bySize.set(batch.batchSize, known === undefined ? batch : addBatch(known, batch));
  }
  return [...bySize.values()].toSorted((a, b) => a.batchSize - b.batchSize);
}

function addBatch(one: BatchStatistic, other: BatchStatistic): BatchStatistic {
  return {
    batchSize: one.batchSize,
    computeInput: addDurations(one.computeInput, other.computeInput),
    computeInfer: addDurations(one.computeInfer, other.computeInfer),
    computeOutput: addDurations(one.computeOutput, other.computeOutput),
  };
}

function addDurations(one: DurationStatistic, other: DurationStatistic): DurationStatistic {
  return { count: one.count + other.count, ns: one.ns + other.ns };
}
