// Corrects the load line by live traffic: while requests wait all the time, what is answered is all that there is.

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

/** At its limit for so long, it is not just a burst. */
const SUSTAINED_MS = 5000;

interface Sample {
  readonly atMs: number;
  readonly answered: Throughput;
}

export class LoadLineWatch {
  readonly #options: LoadLineWatchOptions;
  #start: Sample | undefined;

  constructor(options: LoadLineWatchOptions) {
    this.#options = options;
  }

  /** To be called about once a second. */
  tick(): void {
    const { loadLine, saturatedSinceMs, answered, clock } = this.#options;
    const nowMs = clock();
    const sinceMs = saturatedSinceMs();
    const sample = { atMs: nowMs, answered: answered() };
    if (sinceMs === undefined || this.#start === undefined || sinceMs > this.#start.atMs) {
      this.#start = sinceMs === undefined ? undefined : sample;
      return;
    }
    const seconds = (nowMs - this.#start.atMs) / 1000;
    if (seconds * 1000 < SUSTAINED_MS) {
      return;
    }
    const before = this.#start.answered;
    loadLine.correct(
      Object.fromEntries(
        Object.entries(sample.answered).map(([protocol, count]) => [
          protocol,
          (count - (before[protocol] ?? 0)) / seconds,
        ]),
      ),
    );
    this.#start = sample;
  }
}
