// Finds how a model is best run: coarse to fine within a time budget, from what its runs really take.

import type { Log } from "../log.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import { whyNotBatchable } from "./batchability.ts";
import type { ModelMetadata } from "./metadata.ts";
import type { RunRequest, RunResult } from "./runner.ts";
import { candidateShapes, type Draw, randomInputs, type Shapes, withRows } from "./sample-inputs.ts";

/** What runs the trials. */
export interface TrialRunner {
  readonly parallelRuns: number;
  run(request: RunRequest): Promise<RunResult>;
  stop(): Promise<void>;
}

/** How CPUs are shared out: so many copies of the model, each run by so many threads. */
export interface Split {
  readonly workers: number;
  readonly threadsPerWorker: number;
}

export interface CalibrationOptions<R extends TrialRunner = TrialRunner> {
  /** Whole CPUs to share out. */
  readonly usableThreads: number;
  /** Given by the user, not to be searched. */
  readonly workers: number | undefined;
  readonly threadsPerWorker: number | undefined;
  readonly maxBatchSize: number | undefined;
  /** Longest run that a batch may make. */
  readonly latencyBoundMs: number;
  readonly budgetMs: number;
  /** What starting the first workers took, as an estimate of what others would take. */
  readonly loadMs: number;
  /** Copies of the model, the first one among them, that memory allows. */
  readonly maxWorkers: (firstLoadBytes: number) => number;
  /** Starts workers with the model loaded. */
  readonly open: (split: Split) => Promise<R>;
  /** Resident memory of this process. */
  readonly memoryBytes: () => number;
  /** Seconds of CPU that this process has used. */
  readonly cpuSeconds: () => number;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  readonly draw: Draw;
  readonly log: Log;
}

/** The time of one run. */
export interface RunTime {
  readonly rows: number;
  readonly seconds: number;
}

export interface Calibration extends Split {
  /** Undefined where no sample inputs were found that the model takes: then nothing was measured. */
  readonly shapes: Shapes | undefined;
  readonly batchable: boolean;
  readonly maxBatchSize: number;
  readonly runTimes: readonly RunTime[];
  /** With all workers busy at the chosen size. Undefined where nothing was measured. */
  readonly rowsPerSecond: number | undefined;
  readonly cpuSecondsPerRow: number | undefined;
  /** From handing a run over to a worker to its answer, less the run. */
  readonly hopSeconds: number;
  /** True where the budget ended before the search did. */
  readonly provisional: boolean;
}

export interface Calibrated<R extends TrialRunner> {
  readonly calibration: Calibration;
  /** Runs as the calibration says; to be stopped by the caller. */
  readonly runner: R;
}

/** A larger batch, or more workers where batches are not joined, must be better by this much. */
const WORTHWHILE = 1.05;
/** One queue of full batches serves better than several of half ones, so more workers must be well ahead. */
const WORTHWHILE_SPLIT = 1.12;
/** Larger batches gain next to nothing and make everyone wait. */
export const LARGEST_BATCH = 256;
/** A step that brings nothing may be followed by one that does, where it is not much worse: kernels like round sizes. */
const HOPEFUL = 0.7;
/** A figure rests on runs of at least so long in all, and so many. */
const TRIAL_MS = 60;
const MIN_RUNS = 3;
const MAX_RUNS = 24;

interface Measured {
  readonly seconds: number;
  readonly hopSeconds: number;
}

/** Rejects with a LoadError where the model cannot be loaded. */
export async function calibrate<R extends TrialRunner>(
  metadata: ModelMetadata,
  options: CalibrationOptions<R>,
  first: R,
): Promise<Calibrated<R>> {
  return new Search(metadata, options).calibrate(first);
}

/** One run on each worker, so that the first requests find everything in place. */
export async function warmUp(
  { inputs, outputs }: Pick<ModelMetadata, "inputs" | "outputs">,
  shapes: Shapes,
  runner: TrialRunner,
  draw: Draw,
): Promise<void> {
  const outputNames = outputs.map(({ name }) => name);
  const runs = Array.from({ length: runner.parallelRuns }, () =>
    runner.run({ inputs: randomInputs(inputs, shapes, draw), outputNames }),
  );
  await Promise.all(runs);
}

/** The split to begin with: one copy on all threads, or what the user asked for. */
export function firstSplit({
  workers,
  threadsPerWorker,
  usableThreads,
}: Pick<CalibrationOptions, "workers" | "threadsPerWorker" | "usableThreads">): Split {
  const copies = workers ?? 1;
  return { workers: copies, threadsPerWorker: threadsPerWorker ?? Math.max(1, Math.floor(usableThreads / copies)) };
}

class Search<R extends TrialRunner> {
  readonly #metadata: ModelMetadata;
  readonly #outputNames: readonly string[];
  readonly #options: CalibrationOptions<R>;
  readonly #deadlineMs: number;
  readonly #runTimes: RunTime[] = [];
  #provisional = false;
  /** What the model said of the last sample that it did not take. */
  #lastRefusal: string | undefined;
  #lastSample: { readonly key: string; readonly inputs: readonly Tensor[] } = { key: "", inputs: [] };

  constructor(metadata: ModelMetadata, options: CalibrationOptions<R>) {
    this.#metadata = metadata;
    this.#outputNames = metadata.outputs.map(({ name }) => name);
    this.#options = options;
    this.#deadlineMs = options.clock() + options.budgetMs;
  }

  async calibrate(first: R): Promise<Calibrated<R>> {
    const { log } = this.#options;
    const split = firstSplit(this.#options);
    const shapes = await this.#findShapes(first);
    if (shapes === undefined) {
      log.warn(
        { reason: this.#lastRefusal },
        "no sample inputs fit the model: nothing is measured, and its first requests take longer",
      );
      return { calibration: { ...NOTHING_MEASURED, ...split }, runner: first };
    }
    const single = await this.#measure(first, shapes, 1);
    this.#runTimes.push({ rows: 1, seconds: single.seconds });
    const batchable = await this.#provesBatchable(first, shapes);
    const maxBatchSize = batchable ? await this.#findBatchSize(first, shapes, single.seconds) : 1;
    const best = await this.#findSplit({ runner: first, split, shapes, rows: maxBatchSize });
    const calibration: Calibration = {
      ...best.split,
      shapes,
      batchable,
      maxBatchSize,
      runTimes: this.#runTimes,
      rowsPerSecond: best.rowsPerSecond,
      cpuSecondsPerRow: best.cpuSecondsPerRow,
      hopSeconds: single.hopSeconds,
      provisional: this.#provisional,
    };
    return { calibration, runner: best.runner };
  }

  /** The first shapes that the model takes; the trial is its warm-up as well. */
  async #findShapes(runner: TrialRunner): Promise<Shapes | undefined> {
    const { inputs } = this.#metadata;
    for (const shapes of candidateShapes(inputs)) {
      const trials = Array.from({ length: runner.parallelRuns }, () => this.#run(runner, this.#sample(shapes, 1)));
      const results = await Promise.allSettled(trials);
      const failed = results.find((result) => result.status === "rejected");
      if (failed === undefined) {
        return shapes;
      }
      this.#lastRefusal = failed.reason instanceof Error ? failed.reason.message : String(failed.reason);
      this.#options.log.debug({ shapes, reason: this.#lastRefusal }, "the model does not take sample inputs");
    }
    return undefined;
  }

  async #provesBatchable(runner: TrialRunner, shapes: Shapes): Promise<boolean> {
    const { maxBatchSize, draw, log } = this.#options;
    if (maxBatchSize === 1) {
      return false;
    }
    const run = async (inputs: readonly Tensor[]) => (await this.#run(runner, inputs)).outputs;
    const reason = await whyNotBatchable(this.#metadata, shapes, run, draw);
    if (reason !== undefined) {
      log.info({ reason }, "requests are not joined");
    }
    return reason === undefined;
  }

  /** Rows per run that give the most rows per second. */
  async #findBatchSize(runner: TrialRunner, shapes: Shapes, singleSeconds: number): Promise<number> {
    const { maxBatchSize, latencyBoundMs } = this.#options;
    const limit = maxBatchSize ?? LARGEST_BATCH;
    let best = { rows: 1, rate: 1 / singleSeconds };
    for (let rows = 2; ; rows = Math.min(rows * 2, limit)) {
      if (this.#isTooLong(MIN_RUNS * 2 * (rows / best.rate))) {
        break;
      }
      const { seconds } = await this.#measure(runner, shapes, rows);
      this.#runTimes.push({ rows, seconds });
      const rate = rows / seconds;
      const isBetter = rate >= best.rate * WORTHWHILE;
      const isHopeless = rate < best.rate * HOPEFUL || !(isBetter || rows === best.rows * 2);
      if (seconds * 1000 > latencyBoundMs || isHopeless) {
        break;
      }
      best = isBetter ? { rows, rate } : best;
      if (rows === limit) {
        break;
      }
    }
    return best.rows;
  }

  async #findSplit(start: { runner: R; split: Split; shapes: Shapes; rows: number }) {
    const { shapes, rows } = start;
    const measured = await this.#measureAll(start.runner, shapes, rows);
    let best = { runner: start.runner, split: start.split, ...measured };
    for (const split of this.#otherSplits(start.split)) {
      if (
        this.#isTooLong(this.#options.loadMs / 1000 + ((split.workers * rows) / best.rowsPerSecond) * (MIN_RUNS + 1))
      ) {
        break;
      }
      const runner = await this.#options.open(split);
      const rival = await this.#measureAll(runner, shapes, rows);
      const needed = rows > 1 ? WORTHWHILE_SPLIT : WORTHWHILE;
      this.#options.log.debug({ ...split, rows, rowsPerSecond: rival.rowsPerSecond }, "calibration trial");
      if (rival.rowsPerSecond > best.rowsPerSecond * needed) {
        await best.runner.stop();
        best = { runner, split, ...rival };
      } else {
        await runner.stop();
      }
    }
    return best;
  }

  /** More copies on fewer threads each, in steps of two, as far as memory goes. */
  #otherSplits(start: Split): Split[] {
    const { workers, threadsPerWorker, usableThreads, maxWorkers, memoryBytes } = this.#options;
    if (workers !== undefined || threadsPerWorker !== undefined) {
      return [];
    }
    const most = Math.min(usableThreads, maxWorkers(memoryBytes()));
    const splits: Split[] = [];
    for (let copies = start.workers * 2; copies <= most; copies *= 2) {
      splits.push({ workers: copies, threadsPerWorker: Math.floor(usableThreads / copies) });
    }
    return splits;
  }

  /** Rows per second with every worker busy all the time, and the CPU that a row takes. */
  async #measureAll(runner: TrialRunner, shapes: Shapes, rows: number) {
    const { clock, cpuSeconds } = this.#options;
    // Every worker has its memory ready.
    const first = await this.#round(runner, shapes, rows);
    const rounds = Math.min(MAX_RUNS, Math.max(MIN_RUNS, Math.ceil(TRIAL_MS / first)));
    const [startedAtMs, startedAtCpu] = [clock(), cpuSeconds()];
    const chains = Array.from({ length: runner.parallelRuns }, async () => {
      for (let round = 0; round < rounds; round += 1) {
        await this.#run(runner, this.#sample(shapes, rows));
      }
    });
    await Promise.all(chains);
    const total = rows * rounds * runner.parallelRuns;
    return {
      rowsPerSecond: (total * 1000) / (clock() - startedAtMs),
      cpuSecondsPerRow: (cpuSeconds() - startedAtCpu) / total,
    };
  }

  /** Milliseconds of one run on each worker. */
  async #round(runner: TrialRunner, shapes: Shapes, rows: number): Promise<number> {
    const startedAtMs = this.#options.clock();
    await Promise.all(Array.from({ length: runner.parallelRuns }, () => this.#run(runner, this.#sample(shapes, rows))));
    return this.#options.clock() - startedAtMs;
  }

  /** Of several runs, one after the other, the fastest: whatever else the machine does only adds to a run. */
  async #measure(runner: TrialRunner, shapes: Shapes, rows: number): Promise<Measured> {
    const { clock } = this.#options;
    const seconds: number[] = [];
    const hops: number[] = [];
    const startedAtMs = clock();
    while (seconds.length < MIN_RUNS || (clock() - startedAtMs < TRIAL_MS && seconds.length < MAX_RUNS)) {
      const inputs = this.#sample(shapes, rows);
      const handedOverAtMs = clock();
      const { computeSeconds } = await this.#run(runner, inputs);
      seconds.push(computeSeconds);
      hops.push((clock() - handedOverAtMs) / 1000 - computeSeconds);
      if (clock() > this.#deadlineMs) {
        this.#provisional = true;
        break;
      }
    }
    return { seconds: Math.min(...seconds), hopSeconds: median(hops) };
  }

  #isTooLong(seconds: number): boolean {
    const tooLong = this.#options.clock() + seconds * 1000 > this.#deadlineMs;
    this.#provisional ||= tooLong;
    return tooLong;
  }

  /** Copies, since their memory goes to the workers: drawing new numbers each time would cost more than small runs. */
  #sample(shapes: Shapes, rows: number): Tensor[] {
    const { inputs } = this.#metadata;
    const wanted = withRows(shapes, inputs, rows);
    const key = JSON.stringify(wanted);
    if (this.#lastSample.key !== key) {
      this.#lastSample = { key, inputs: randomInputs(inputs, wanted, this.#options.draw) };
    }
    return this.#lastSample.inputs.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
  }

  async #run(runner: TrialRunner, inputs: readonly Tensor[]): Promise<RunResult> {
    return runner.run({ inputs, outputNames: this.#outputNames });
  }
}

const NOTHING_MEASURED = {
  shapes: undefined,
  batchable: false,
  maxBatchSize: 1,
  runTimes: [],
  rowsPerSecond: undefined,
  cpuSecondsPerRow: undefined,
  hopSeconds: 0,
  provisional: true,
} as const;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
