// Corrects the load line by live traffic: while requests wait all the time, what is answered is all that there is; and what
// was answered, whether any waited or not, can be answered.

import type { LoadLine, Throughput } from "./load-line.ts";

export interface LoadLineWatchOptions {
  readonly loadLine: LoadLine;
  /** Since when this replica has been at its limit, by `clock`; undefined: it is not. */
  readonly saturatedSinceMs: () => number | undefined;
  /** Requests answered so far, by protocol. */
  readonly answered: () => Throughput;
  /** Milliseconds. */
  readonly clock: () => number;
}

/** What lasted so long is not just a burst. */
const SUSTAINED_MS = 5000;

interface Sample {
  readonly atMs: number;
  readonly answered: Throughput;
}

export class LoadLineWatch {
  readonly #options: LoadLineWatchOptions;
  #from: Sample | undefined;
  /** The same while it is at its limit. */
  #atLimitFrom: Sample | undefined;

  constructor(options: LoadLineWatchOptions) {
    this.#options = options;
  }

  /** To be called about once a second. */
  tick(): void {
    const { loadLine, saturatedSinceMs, answered, clock } = this.#options;
    const now: Sample = { atMs: clock(), answered: answered() };
    const sinceMs = saturatedSinceMs();
    if (sinceMs === undefined) {
      this.#atLimitFrom = undefined;
    } else if (this.#atLimitFrom === undefined || sinceMs > this.#atLimitFrom.atMs) {
      this.#atLimitFrom = now;
    }
    this.#from ??= now;
    if (isSustained(this.#atLimitFrom, now)) {
      loadLine.correct(throughput(this.#atLimitFrom, now));
      [this.#atLimitFrom, this.#from] = [now, now];
    } else if (isSustained(this.#from, now)) {
      loadLine.raise(throughput(this.#from, now));
      this.#from = now;
    }
  }
}

function isSustained(from: Sample | undefined, to: Sample): from is Sample {
  return from !== undefined && to.atMs - from.atMs >= SUSTAINED_MS;
}

function throughput(from: Sample, to: Sample): Throughput {
  const seconds = (to.atMs - from.atMs) / 1000;
  return Object.fromEntries(
    Object.entries(to.answered).map(([protocol, count]) => [
      protocol,
      (count - (from.answered[protocol] ?? 0)) / seconds,
    ]),
  );
}
