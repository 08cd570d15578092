// Runs on made-up inputs and what they take: the measurements that the calibration decides by.

import type { Tensor } from "../tensors/datatypes.ts";
import type { ModelMetadata } from "./metadata.ts";
import type { RunRequest, RunResult } from "./runner.ts";
import { type Draw, randomInputs, type Shapes, withRows } from "./sample-inputs.ts";

/** What runs the trials. */
export interface TrialRunner {
  readonly parallelRuns: number;
  run(request: RunRequest): Promise<RunResult>;
  stop(): Promise<void>;
}

export interface Measured {
  readonly seconds: number;
  /** The way to the worker and back, without the run. */
  readonly hopSeconds: number;
}

export interface Throughput {
  readonly rowsPerSecond: number;
  /** Undefined where it was not measured. */
  readonly cpuSecondsPerRow: number | undefined;
  /** Whether the CPU limit stopped the process meanwhile. */
  readonly throttled: boolean;
}

/** A figure rests on runs of at least so long in all, and so many. */
const TRIAL_MS = 60;
/** Splits differ by a few per cent only, and a mean suffers from what else the machine does. */
const THROUGHPUT_TRIAL_MS = 250;
export const MIN_RUNS = 3;
const MAX_RUNS = 24;

/** What `measureAll` takes, by what a round of it does. */
export function throughputTrialSeconds(roundSeconds: number): number {
  return roundSeconds + Math.max(MIN_RUNS * roundSeconds, THROUGHPUT_TRIAL_MS / 1000);
}

export interface TrialOptions {
  /** For all trials together. */
  readonly budgetMs: number;
  /** Seconds of CPU that this process has used. */
  readonly cpuSeconds: () => number;
  /** How often the CPU limit has stopped this process; undefined where that is not told. */
  readonly throttledPeriods: () => number | undefined;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  readonly draw: Draw;
}

export class Trials {
  /** True once something was left out for lack of time. */
  provisional = false;
  readonly #metadata: Pick<ModelMetadata, "inputs" | "outputs">;
  readonly #outputNames: readonly string[];
  readonly #options: TrialOptions;
  readonly #deadlineMs: number;
  #lastSample: { readonly key: string; readonly inputs: readonly Tensor[] } = { key: "", inputs: [] };

  constructor(metadata: Pick<ModelMetadata, "inputs" | "outputs">, options: TrialOptions) {
    this.#metadata = metadata;
    this.#outputNames = metadata.outputs.map(({ name }) => name);
    this.#options = options;
    this.#deadlineMs = options.clock() + options.budgetMs;
  }

  /** Rows per second with every worker busy all the time, and the CPU that a row takes. */
  async measureAll(runner: TrialRunner, shapes: Shapes, rows: number): Promise<Throughput> {
    const { clock, cpuSeconds, throttledPeriods } = this.#options;
    // Every worker has its memory ready.
    const first = await this.#round(runner, shapes, rows);
    const rounds = Math.min(MAX_RUNS, Math.max(MIN_RUNS, Math.ceil(THROUGHPUT_TRIAL_MS / first)));
    const [startedAtMs, startedAtCpu, throttledBefore] = [clock(), cpuSeconds(), throttledPeriods()];
    const chains = Array.from({ length: runner.parallelRuns }, async () => {
      for (let round = 0; round < rounds; round += 1) {
        await this.run(runner, this.sample(shapes, rows));
      }
    });
    await Promise.all(chains);
    const total = rows * rounds * runner.parallelRuns;
    return {
      rowsPerSecond: (total * 1000) / (clock() - startedAtMs),
      cpuSecondsPerRow: (cpuSeconds() - startedAtCpu) / total,
      throttled: (throttledPeriods() ?? 0) > (throttledBefore ?? 0),
    };
  }

  /** Milliseconds of one run on each worker. */
  async #round(runner: TrialRunner, shapes: Shapes, rows: number): Promise<number> {
    const startedAtMs = this.#options.clock();
    await Promise.all(Array.from({ length: runner.parallelRuns }, () => this.run(runner, this.sample(shapes, rows))));
    return this.#options.clock() - startedAtMs;
  }

  /** Of several runs, one after the other, the fastest: whatever else the machine does only adds to a run. */
  async measure(runner: TrialRunner, shapes: Shapes, rows: number): Promise<Measured> {
    const { clock } = this.#options;
    const seconds: number[] = [];
    const hops: number[] = [];
    const startedAtMs = clock();
    const isEnough = () =>
      seconds.length >= MIN_RUNS && (clock() - startedAtMs >= TRIAL_MS || seconds.length >= MAX_RUNS);
    do {
      const inputs = this.sample(shapes, rows);
      const handedOverAtMs = clock();
      const { computeSeconds } = await this.run(runner, inputs);
      seconds.push(computeSeconds);
      hops.push((clock() - handedOverAtMs) / 1000 - computeSeconds);
    } while (!isEnough() && !this.isTooLong(Math.min(...seconds)));
    return { seconds: Math.min(...seconds), hopSeconds: median(hops) };
  }

  /** Whether what takes so long would end beyond the deadline. The result is provisional then: it is left out. */
  isTooLong(seconds: number): boolean {
    const tooLong = this.#options.clock() + seconds * 1000 > this.#deadlineMs;
    this.provisional ||= tooLong;
    return tooLong;
  }

  /** Copies, since their memory goes to the workers: drawing new numbers each time would cost more than small runs. */
  sample(shapes: Shapes, rows: number): Tensor[] {
    const { inputs } = this.#metadata;
    const wanted = withRows(shapes, inputs, rows);
    const key = JSON.stringify(wanted);
    if (this.#lastSample.key !== key) {
      this.#lastSample = { key, inputs: randomInputs(inputs, wanted, this.#options.draw) };
    }
    return this.#lastSample.inputs.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
  }

  async run(runner: TrialRunner, inputs: readonly Tensor[]): Promise<RunResult> {
    return runner.run({ inputs, outputNames: this.#outputNames });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
