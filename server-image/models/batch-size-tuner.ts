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
/** Runs of a size before it is judged. */
const MIN_RUNS = 4;
const WORTHWHILE = 1.05;
/** Weight of the newest run. */
const NEWEST = 0.25;

interface Seen {
  runs: number;
  seconds: number;
}

export class BatchSizeTuner {
  readonly #options: BatchSizeTunerOptions;
  readonly #seen = new Map<number, Seen>();
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

  /** The rows that the next run should have at most, with so many waiting. */
  choose(waitingRows: number): number {
    const larger = this.#size * 2;
    if (waitingRows < larger) {
      return this.#size;
    }
    this.#runs += 1;
    if (this.#runs < this.#interval) {
      return this.#size;
    }
    this.#runs = 0;
    this.#trials += 1;
    if (this.#trials % (2 * MIN_RUNS) === 0) {
      this.#interval = Math.min(LAST_INTERVAL, this.#interval * 2);
    }
    // Larger and smaller in turn; a smaller one costs little, and tells when the machine has changed.
    return this.#trials % 2 === 1 ? Math.min(larger, this.#options.limit) : Math.max(1, Math.floor(this.#size / 2));
  }

  /** To be told of each run. */
  observe(rows: number, seconds: number): void {
    if (rows !== this.#size && rows !== this.#size * 2 && rows !== this.#size / 2) {
      return;
    }
    const seen = this.#seen.get(rows);
    if (seen === undefined) {
      this.#seen.set(rows, { runs: 1, seconds });
    } else {
      seen.runs += 1;
      seen.seconds += NEWEST * (seconds - seen.seconds);
    }
    this.#judge(this.#size * 2);
    this.#judge(this.#size / 2);
  }

  #judge(rival: number): void {
    const [now, other] = [this.#seen.get(this.#size), this.#seen.get(rival)];
    if (now === undefined || other === undefined || Math.min(now.runs, other.runs) < MIN_RUNS) {
      return;
    }
    const isBetter = rival / other.seconds >= WORTHWHILE * (this.#size / now.seconds);
    if (isBetter && other.seconds * 1000 <= this.#options.maxRunMs && rival <= this.#options.limit) {
      this.#size = rival;
      // What was seen was seen at another load: the next comparison starts afresh.
      this.#seen.clear();
      this.#interval = FIRST_INTERVAL;
    }
  }
}
