// The raw ceiling of a model: the best way to run it without a server, kept running to be measured beside one.

import type { Bench } from "../bench.ts";
import type { Contestant } from "../interleave.ts";
import type { Subject } from "../subject.ts";
import type { RawProcess } from "./raw-process.ts";
import { type RawConfiguration, searchCeiling, splits, type Trial } from "./search.ts";

export class Ceiling {
  readonly #trials: readonly Trial[];
  readonly #measure: (configuration: RawConfiguration, seconds: number) => Promise<number>;
  readonly #seconds: number;

  /** @param trials the best one first */
  constructor(
    trials: readonly Trial[],
    measure: (configuration: RawConfiguration, seconds: number) => Promise<number>,
    seconds: number,
  ) {
    this.#trials = trials;
    this.#measure = measure;
    this.#seconds = seconds;
  }

  /** The best configuration whose batches are not larger. Throws where none was tried. */
  best(maxRows: number): RawConfiguration {
    const best = this.#trials.find(({ rows }) => rows <= maxRows);
    if (best === undefined) {
      throw new Error(`no configuration with batches of at most ${maxRows} was tried`);
    }
    return best;
  }

  /** Rows per second of that configuration, measured anew each time. */
  contestant(name: string, maxRows: number): Contestant {
    const best = this.best(maxRows);
    return { name, measure: () => this.#measure(best, this.#seconds) };
  }
}

/** One batch after the other up to this. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128];

/** @param maxRows largest batch that is tried */
export async function findCeiling(bench: Bench, subject: Subject, maxRows: number): Promise<Ceiling> {
  let raw: RawProcess | undefined;
  const measure = async ({ rows, workers, threads }: RawConfiguration, seconds: number) => {
    if (raw?.split.workers !== workers || raw.split.threads !== threads) {
      await raw?.stop();
      raw = await bench.startRaw(subject, { workers, threads });
    }
    return (await raw.run({ rows, busyWorkers: workers, seconds })).rowsPerSecond;
  };
  const sizes = subject.takesBatches ? SIZES.filter((rows) => rows <= maxRows) : [1];
  // Each trial a quarter of a measurement, and long enough for a few runs of a slow model.
  const seconds = Math.max(0.5, bench.options.seconds / 4);
  const trials = await searchCeiling(splits(bench.cores.length), sizes, (each) => measure(each, seconds));
  for (const { workers, threads, rows, rowsPerSecond } of trials) {
    bench.log(`raw: ${workers} x ${threads} threads, batch ${rows}: ${rowsPerSecond.toFixed(1)} rows/s`);
  }
  return new Ceiling(trials, measure, bench.options.seconds);
}
