// How long runs take by their number of rows, as seen lately: what a new request can expect to wait.

/** Weight of the newest run: a change shows after a handful of runs, a single slow run hardly. */
const NEWEST = 0.2;

export class RunTimes {
  /** Seconds by the exponent of the power of two at or above the number of rows. */
  readonly #seconds = new Map<number, number>();

  observe(rows: number, seconds: number): void {
    const size = sizeOf(rows);
    const known = this.#seconds.get(size);
    this.#seconds.set(size, known === undefined ? seconds : known + NEWEST * (seconds - known));
  }

  /**
   * Seconds of one run of so many rows. Where no run of that size was seen, the next larger one stands for it; a size
   * above all that were seen is taken to be in proportion to the largest. Undefined before the first run.
   */
  estimate(rows: number): number | undefined {
    const size = sizeOf(rows);
    const sizes = [...this.#seconds.keys()].toSorted((a, b) => a - b);
    const larger = sizes.find((known) => known >= size);
    if (larger !== undefined) {
      return this.#seconds.get(larger);
    }
    const largest = sizes.at(-1);
    return largest === undefined ? undefined : (this.#seconds.get(largest) ?? 0) * 2 ** (size - largest);
  }
}

function sizeOf(rows: number): number {
  return Math.ceil(Math.log2(Math.max(1, rows)));
}
