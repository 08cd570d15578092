// Finds how a model is best run: coarse to fine within a time budget, from what its runs really take.

import type { Log } from "../log.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import { whyNotBatchable } from "./batchability.ts";
import type { ModelMetadata } from "./metadata.ts";
import { candidateShapes, type Draw, randomInputs, type Shapes } from "./sample-inputs.ts";
import { MIN_RUNS, type Throughput, type TrialOptions, type TrialRunner, Trials } from "./trials.ts";

/** How CPUs are shared out: so many copies of the model, each run by so many threads. */
export interface Split {
  readonly workers: number;
  readonly threadsPerWorker: number;
}

export interface CalibrationOptions<R extends TrialRunner = TrialRunner> extends TrialOptions {
  /** Whole CPUs to share out. */
  readonly usableThreads: number;
  /** Given by the user, not to be searched. */
  readonly workers: number | undefined;
  readonly threadsPerWorker: number | undefined;
  readonly maxBatchSize: number | undefined;
  /** Longest run that a batch may make. */
  readonly latencyBoundMs: number;
  /** What starting the first workers took, as an estimate of what others would take. */
  readonly loadMs: number;
  /** Copies of the model, the first one among them, that memory allows. */
  readonly maxWorkers: (firstLoadBytes: number) => number;
  /** Starts workers with the model loaded. */
  readonly open: (split: Split) => Promise<R>;
  /** Resident memory of this process. */
  readonly memoryBytes: () => number;
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
const WORTHWHILE_SPLIT = 1.3;
/**
 * Without that, more workers are right even where they seem a little slower: while serving, the I/O takes CPU from runs,
 * and a run of several threads waits for the one that suffers most.
 */
const GOOD_ENOUGH = 0.97;
/** What the best batch size must gain over single rows in all. */
const WORTH_THE_WAIT = 1.2;
/** A split that the CPU limit stops now and then must be ahead of one that it does not by this much. */
const THROTTLED_COST = 1.1;
/** Where joining gains less than this, half batches are nearly as good as full ones. */
const MUCH_GAIN = 1.5;
/** Larger batches gain next to nothing and make everyone wait. */
export const LARGEST_BATCH = 128;
/** A step that brings nothing may be followed by one that does, where it is not much worse: kernels like round sizes. */
const HOPEFUL = 0.7;
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
  readonly #options: CalibrationOptions<R>;
  readonly #trials: Trials;
  readonly #runTimes: RunTime[] = [];
  /** What the model said of the last sample that it did not take. */
  #lastRefusal: string | undefined;

  constructor(metadata: ModelMetadata, options: CalibrationOptions<R>) {
    this.#metadata = metadata;
    this.#options = options;
    this.#trials = new Trials(metadata, options);
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
    if (this.#options.budgetMs === 0) {
      return {
        calibration: { ...NOTHING_MEASURED, ...split, ...(await this.#asToldTo(first, shapes)) },
        runner: first,
      };
    }
    const single = await this.#trials.measure(first, shapes, 1);
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
      provisional: this.#trials.provisional,
    };
    return { calibration, runner: best.runner };
  }

  /** Without time for measuring: requests are joined only where the user says how many, and the proof holds. */
  async #asToldTo(
    runner: TrialRunner,
    shapes: Shapes,
  ): Promise<Pick<Calibration, "shapes" | "batchable" | "maxBatchSize">> {
    const { maxBatchSize = 1 } = this.#options;
    const batchable = maxBatchSize > 1 && (await this.#provesBatchable(runner, shapes));
    return { shapes, batchable, maxBatchSize: batchable ? maxBatchSize : 1 };
  }

  /** The first shapes that the model takes; the trial is its warm-up as well. */
  async #findShapes(runner: TrialRunner): Promise<Shapes | undefined> {
    const { inputs } = this.#metadata;
    for (const shapes of candidateShapes(inputs)) {
      const trials = Array.from({ length: runner.parallelRuns }, () =>
        this.#trials.run(runner, this.#trials.sample(shapes, 1)),
      );
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
    const run = async (inputs: readonly Tensor[]) => (await this.#trials.run(runner, inputs)).outputs;
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
      if (this.#trials.isTooLong(MIN_RUNS * 2 * (rows / best.rate))) {
        break;
      }
      const { seconds } = await this.#trials.measure(runner, shapes, rows);
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
    // Rows that run together are ready together: a few per cent are not worth several times the wait.
    return best.rate * singleSeconds < WORTH_THE_WAIT ? 1 : best.rows;
  }

  async #findSplit(start: { runner: R; split: Split; shapes: Shapes; rows: number }) {
    const { shapes, rows } = start;
    const measured = await this.#trials.measureAll(start.runner, shapes, rows);
    let best = { runner: start.runner, split: start.split, ...measured };
    for (const split of this.#otherSplits(start.split)) {
      const trialSeconds = ((split.workers * rows) / best.rowsPerSecond) * (MIN_RUNS + 1);
      if (this.#trials.isTooLong(this.#options.loadMs / 1000 + trialSeconds)) {
        break;
      }
      const runner = await this.#options.open(split);
      const rival = await this.#trials.measureAll(runner, shapes, rows);
      this.#options.log.debug({ ...split, rows, rowsPerSecond: rival.rowsPerSecond }, "calibration trial");
      if (isWorthwhile(rival, best, this.#batchGain(rows))) {
        await best.runner.stop();
        best = { runner, split, ...rival };
      } else {
        await runner.stop();
      }
    }
    return best;
  }

  /** How much faster rows run in batches of this size than alone. */
  #batchGain(rows: number): number {
    const [alone, joined] = [1, rows].map((size) => this.#runTimes.find((time) => time.rows === size)?.seconds);
    return alone === undefined || joined === undefined ? 1 : (alone * rows) / joined;
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
}

/** A split that the CPU limit stops now and then makes everyone wait at once, so it must be worth that. */
function isWorthwhile(rival: Throughput, best: Throughput, batchGain: number): boolean {
  const needed = batchGain > MUCH_GAIN ? WORTHWHILE_SPLIT : GOOD_ENOUGH;
  const throttling = rival.throttled === best.throttled ? 1 : rival.throttled ? THROTTLED_COST : 1 / THROTTLED_COST;
  return rival.rowsPerSecond > best.rowsPerSecond * needed * throttling;
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
