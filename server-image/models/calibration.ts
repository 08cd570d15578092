// Finds how a model is best run: coarse to fine within a time budget, from what its runs really take.

import type { Log } from "../log.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import { PROOF_ROWS, whyNotBatchable } from "./batchability.ts";
import type { ModelMetadata } from "./metadata.ts";
import type { RunResult } from "./runner.ts";
import { candidateShapes, type Draw, randomInputs, type Shapes } from "./sample-inputs.ts";
import { firstSplit, isWorthwhile, otherSplits, type Split, type SplitLimits } from "./splits.ts";
import {
  type Measured,
  MIN_RUNS,
  type Throughput,
  type TrialOptions,
  type TrialRunner,
  Trials,
  throughputTrialSeconds,
} from "./trials.ts";

export interface CalibrationOptions<R extends TrialRunner = TrialRunner> extends TrialOptions, SplitLimits {
  /** Given by the user. */
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
  /** Outputs of a run of one row; empty where the model takes none of the sample inputs. */
  readonly sampleOutputs: readonly Tensor[];
}

/** A larger batch must be better by this much. */
const WORTHWHILE = 1.05;
/** What the best batch size must gain over single rows in all. */
const WORTH_THE_WAIT = 1.2;
/** Larger batches gain next to nothing and make everyone wait. */
export const LARGEST_BATCH = 128;
/** A step that brings nothing may be followed by one that does, where it is not much worse: kernels like round sizes. */
const HOPEFUL = 0.7;
/** Beyond the time, too, a run of this length is made once more: the way to the worker is known only from that. */
const SHORT_RUN_SECONDS = 0.05;

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

/** The first run, which is the warm-up as well. */
interface WarmRun extends Pick<RunResult, "outputs" | "computeSeconds"> {
  readonly shapes: Shapes;
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
    const { log, budgetMs } = this.#options;
    const split = firstSplit(this.#options);
    const warm = await this.#findShapes(first);
    if (warm === undefined) {
      log.warn(
        { reason: this.#lastRefusal },
        "no sample inputs fit the model: nothing is measured, and its first requests take longer",
      );
      return { calibration: { ...NOTHING_MEASURED, ...split }, runner: first, sampleOutputs: [] };
    }
    const { shapes, outputs: sampleOutputs } = warm;
    if (budgetMs === 0) {
      const told = await this.#asToldTo(first, shapes);
      return { calibration: { ...NOTHING_MEASURED, ...split, ...told }, runner: first, sampleOutputs };
    }
    const single = await this.#measureSingle(first, warm);
    this.#runTimes.push({ rows: 1, seconds: single.seconds });
    const batchable = this.#mayPay(single) && (await this.#provesBatchable(first, shapes));
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
    return { calibration, runner: best.runner, sampleOutputs };
  }

  /** Of a model so slow that there is no time for another run, the first one has to do. Short runs are worth the delay. */
  async #measureSingle(runner: R, { shapes, computeSeconds }: WarmRun): Promise<Measured> {
    return computeSeconds > SHORT_RUN_SECONDS && this.#trials.isTooLong(computeSeconds)
      ? { seconds: computeSeconds, hopSeconds: 0 }
      : this.#trials.measure(runner, shapes, 1);
  }

  /** Two rows together take longer than one, and the proof takes as long as twice its rows. */
  #mayPay({ seconds }: Measured): boolean {
    return seconds * 1000 <= this.#options.latencyBoundMs && !this.#trials.isTooLong(PROOF_ROWS * 2 * seconds);
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

  /** With the first shapes that the model takes. */
  async #findShapes(runner: TrialRunner): Promise<WarmRun | undefined> {
    const { inputs } = this.#metadata;
    for (const shapes of candidateShapes(inputs)) {
      const trials = Array.from({ length: runner.parallelRuns }, () =>
        this.#trials.run(runner, this.#trials.sample(shapes, 1)),
      );
      const results = await Promise.allSettled(trials);
      const failed = results.find((result) => result.status === "rejected");
      const [first] = results;
      if (failed === undefined && first?.status === "fulfilled") {
        return { ...first.value, shapes };
      }
      const reason: unknown = failed?.reason;
      this.#lastRefusal = reason instanceof Error ? reason.message : String(reason);
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
    const measured = await this.#measureThroughput(start.runner, shapes, rows);
    let best = { runner: start.runner, split: start.split, ...measured };
    const { maxWorkers, memoryBytes } = this.#options;
    for (const split of otherSplits(start.split, this.#options, () => maxWorkers(memoryBytes()))) {
      const trialSeconds = throughputTrialSeconds((split.workers * rows) / best.rowsPerSecond);
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

  /** Where there is no time for it: as if runs of one worker and of all took the same time. */
  async #measureThroughput(runner: R, shapes: Shapes, rows: number): Promise<Throughput> {
    const seconds = this.#runTimes.find((time) => time.rows === rows)?.seconds;
    return seconds !== undefined && this.#trials.isTooLong(throughputTrialSeconds(seconds))
      ? { rowsPerSecond: (rows * runner.parallelRuns) / seconds, cpuSecondsPerRow: undefined, throttled: false }
      : this.#trials.measureAll(runner, shapes, rows);
  }

  /** How much faster rows run in batches of this size than alone. */
  #batchGain(rows: number): number {
    const [alone, joined] = [1, rows].map((size) => this.#runTimes.find((time) => time.rows === size)?.seconds);
    return alone === undefined || joined === undefined ? 1 : (alone * rows) / joined;
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
