// Corrects the batch size by live traffic: what the calibration found may have been measured at a bad moment.

export interface BatchSizeTunerOptions {
  /** Rows; what the calibration found best. */
  readonly initial: number;
  /** Never more rows than this. */
  readonly limit: number;
  /** A size whose runs take longer is not taken up. */
  readonly maxRunMs: number;
}

/** While enough requests wait, one run in so many tries another size; ever fewer while it brings nothing. */
const FIRST_INTERVAL = 40;
const LAST_INTERVAL = 5000;
/** Where several batches wait, it is urgent to know whether larger ones are better, until it is known. */
const URGENT_INTERVAL = 8;
const URGENT_BATCHES = 4;
/** A size is judged by the median of so many runs: single runs are slow for many reasons. */
const JUDGED_RUNS = 7;
/** What a size must be better by. Rows that run together are nearly always cheaper, so smaller batches need more of a reason. */
const WORTHWHILE = { larger: 1.05, smaller: 1.15 };

export interface Choice {
  readonly maxRows: number;
  /** Whether more waited than fit. */
  readonly atBacklog: boolean;
}

export interface SeenRun {
  readonly rows: number;
  readonly seconds: number;
  /** As it was chosen. */
  readonly atBacklog: boolean;
}

export class BatchSizeTuner {
  readonly #options: BatchSizeTunerOptions;
  /** Seconds of the last runs, by their rows. */
  readonly #seen = new Map<number, number[]>();
  #size: number;
  #runs = 0;
  #trials = 0;
  #interval = FIRST_INTERVAL;

  constructor(options: BatchSizeTunerOptions) {
    this.#options = options;
    this.#size = options.initial;
  }

  /** Most rows per run, but for trials. */
  get size(): number {
    return this.#size;
  }

  /** How many rows the next run should have at most, with so many waiting. */
  choose(waitingRows: number): Choice {
    const { limit } = this.#options;
    if (limit === 1 || waitingRows < this.#size * 2) {
      return { maxRows: this.#size, atBacklog: false };
    }
    return { maxRows: this.#chooseAtBacklog(waitingRows), atBacklog: true };
  }

  #chooseAtBacklog(waitingRows: number): number {
    this.#runs += 1;
    const isUrgent = waitingRows >= this.#size * URGENT_BATCHES && this.#interval === FIRST_INTERVAL;
    if (this.#runs < (isUrgent ? URGENT_INTERVAL : this.#interval)) {
      return this.#size;
    }
    this.#runs = 0;
    this.#trials += 1;
    if (this.#trials % (2 * JUDGED_RUNS) === 0) {
      this.#interval = Math.min(LAST_INTERVAL, this.#interval * 2);
    }
    // Larger and smaller in turn; a smaller one costs little, and tells when the machine has changed.
    return this.#trials % 2 === 1
      ? Math.min(this.#size * 2, this.#options.limit)
      : Math.max(1, Math.floor(this.#size / 2));
  }

  /** To be told of each run. */
  observe({ rows, seconds, atBacklog }: SeenRun): void {
    // Without a backlog runs are faster, since there is less else to do.
    if (!atBacklog) {
      return;
    }
    if (rows !== this.#size && rows !== this.#size * 2 && rows !== this.#size / 2) {
      return;
    }
    const seen = this.#seen.get(rows) ?? [];
    this.#seen.set(rows, [...seen.slice(1 - JUDGED_RUNS), seconds]);
    this.#judge(this.#size * 2, WORTHWHILE.larger);
    this.#judge(this.#size / 2, WORTHWHILE.smaller);
  }

  #judge(rival: number, worthwhile: number): void {
    const [now, other] = [this.#median(this.#size), this.#median(rival)];
    if (now === undefined || other === undefined) {
      return;
    }
    const isBetter = rival / other >= worthwhile * (this.#size / now);
    if (isBetter && other * 1000 <= this.#options.maxRunMs && rival <= this.#options.limit) {
      this.#size = rival;
      // What was seen was seen at another load: the next comparison starts afresh.
      this.#seen.clear();
      this.#interval = FIRST_INTERVAL;
      this.#trials = 0;
    }
  }

  /** Undefined while too few runs of this size were seen. */
  #median(rows: number): number | undefined {
    const seen = this.#seen.get(rows) ?? [];
    return seen.length < JUDGED_RUNS ? undefined : seen.toSorted((a, b) => a - b)[Math.floor(JUDGED_RUNS / 2)];
  }
}
