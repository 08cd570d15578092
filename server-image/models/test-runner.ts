// For tests: a runner whose runs end when the test says so, and requests for it.

import { Cancellation } from "../cancellation.ts";
import { bytesOf, type Tensor, typedView } from "../tensors/datatypes.ts";
import { Batcher, type BatcherOptions } from "./batcher.ts";
import { BufferPool } from "./buffer-pool.ts";
import { ModelRunError, type Runner, type RunRequest, type RunResult } from "./runner.ts";
import type { InferenceRequest } from "./served-model.ts";
import { StatisticsRecorder } from "./statistics.ts";

interface ManualRun {
  readonly request: RunRequest;
  readonly done: PromiseWithResolvers<RunResult>;
}

/** Its model takes `x` and gives `same` and `double`; a run with a negative number in it fails. */
export class ManualRunner implements Runner {
  readonly parallelRuns: number;
  readonly movesInputs: boolean;
  /** In the order of their beginning. */
  readonly running: ManualRun[] = [];
  /** Called as the worker pool does: when a run has ended, before its result is known. */
  onIdle: (() => void) | undefined;

  constructor(workers: number, movesInputs = true) {
    this.parallelRuns = workers;
    this.movesInputs = movesInputs;
  }

  get idleCount(): number {
    return this.parallelRuns - this.running.length;
  }

  async run(request: RunRequest): Promise<RunResult> {
    if (this.idleCount <= 0) {
      throw new Error("no worker is idle");
    }
    const run = { request, done: Promise.withResolvers<RunResult>() };
    this.running.push(run);
    return run.done.promise;
  }

  /** The numbers of `x` in the runs in progress. */
  get numbers(): number[][] {
    return this.running.map(({ request }) => numbersOf(request.inputs[0]));
  }

  /** Ends the oldest run, in so many seconds. */
  finish(computeSeconds = 0.25): void {
    const run = this.running.shift();
    if (run === undefined) {
      return;
    }
    if (numbersOf(run.request.inputs[0]).some((number) => number < 0)) {
      run.done.reject(new ModelRunError("negative"));
    } else {
      const freed = this.movesInputs ? run.request.inputs.map((tensor) => bytesIn(tensor).buffer) : [];
      run.done.resolve({ outputs: this.#outputs(run.request), computeSeconds, freed });
    }
    this.onIdle?.();
  }

  /** Ends the oldest run with an error that is not the model's. */
  fail(error: Error): void {
    this.running.shift()?.done.reject(error);
    this.onIdle?.();
  }

  #outputs({ inputs: [x], outputNames }: RunRequest): Tensor[] {
    const shape = x?.shape ?? [];
    return outputNames.map((name) =>
      tensorOf(
        name,
        shape,
        numbersOf(x).map((one) => one * (name === "double" ? 2 : 1)),
      ),
    );
  }
}

/** The bytes of a tensor that must be there and hold numbers. */
export function bytesIn(tensor: Tensor | undefined): Uint8Array<ArrayBuffer> {
  if (!(tensor?.data instanceof Uint8Array)) {
    throw new Error("no numbers");
  }
  return tensor.data as Uint8Array<ArrayBuffer>;
}

export function numbersOf(tensor: Tensor | undefined): number[] {
  return tensor === undefined ? [] : [...typedView("FP32", bytesIn(tensor))];
}

export function tensorOf(name: string, shape: readonly number[], numbers: readonly number[]): Tensor {
  return { name, datatype: "FP32", shape, data: bytesOf(Float32Array.from(numbers)) };
}

/** A request of one number in each row. */
export function asking(numbers: readonly number[], settings: Partial<InferenceRequest> = {}): InferenceRequest {
  return { inputs: [tensorOf("x", [numbers.length, 1], numbers)], outputNames: ["same"], ...settings };
}

/** A batcher on a manual runner, with a clock that the test sets; up to 8 rows run together. */
export function makeManualBatcher(workers: number, options: Partial<BatcherOptions> = {}, movesInputs = true) {
  const runner = new ManualRunner(workers, movesInputs);
  const clock = { nowMs: 0 };
  const runs: { rows: number; computeSeconds: number }[] = [];
  const queueSeconds: number[] = [];
  const arrivals: (() => void)[] = [];
  const statistics = new StatisticsRecorder();
  const batcher = new Batcher(runner, {
    batchable: options.maxBatchSize !== 1,
    maxBatchSize: 8,
    batchSizeLimit: options.maxBatchSize ?? 8,
    maxBatchRunMs: 100,
    batchDelayMs: 0,
    maxQueueLength: 100,
    maxQueueBytes: 1024 ** 2,
    queueTimeoutMs: 60_000,
    maxExpectedWaitMs: 60_000,
    observer: { observeQueue: (seconds) => queueSeconds.push(seconds), observeRun: (run) => runs.push(run) },
    statistics,
    buffers: new BufferPool(1024 ** 2),
    clock: () => clock.nowMs,
    wallClock: () => 1_700_000_000_000 + clock.nowMs,
    afterArrivals: (callback) => arrivals.push(callback),
    ...options,
  });
  runner.onIdle = () => batcher.dispatch();
  /** Ends each run as it comes, until none is left; gives the numbers of each. */
  const finishAll = async (): Promise<number[][]> => {
    const seen: number[][] = [];
    while (runner.running.length > 0) {
      seen.push(runner.numbers[0] ?? []);
      runner.finish();
      // A failed run is tried again only once its failure is known.
      await new Promise(setImmediate);
    }
    return seen;
  };
  return {
    runner,
    batcher,
    finishAll,
    clock,
    runs,
    queueSeconds,
    statistics,
    /** Sends a request of a client that stays. */
    send: async (numbers: readonly number[], settings?: Partial<InferenceRequest>) => {
      const { outputs } = await batcher.infer(asking(numbers, settings), new Cancellation());
      return outputs.map(numbersOf);
    },
    /** All that has arrived was read. */
    allRead: () => {
      for (const callback of arrivals.splice(0)) {
        callback();
      }
    },
  };
}
