// How long runs take by their number of rows, as seen lately: what a new request can expect to wait.

/** Weight of the newest run: a change shows after a handful of runs, a single slow run hardly. */
const NEWEST = 0.2;

export class RunTimes {
  /** Seconds by the exponent of the power of two at or above the number of rows; NaN where none was seen. */
  readonly #seconds: number[] = [];

  observe(rows: number, seconds: number): void {
    const size = sizeOf(rows);
    while (this.#seconds.length <= size) {
      this.#seconds.push(Number.NaN);
    }
    const known = this.#seconds[size] ?? Number.NaN;
    this.#seconds[size] = Number.isNaN(known) ? seconds : known + NEWEST * (seconds - known);
  }

  /**
   * Seconds of one run of so many rows. Where no run of that size was seen, the next larger one stands for it; a size
   * above all that were seen is taken to be in proportion to the largest. Undefined before the first run.
   */
  estimate(rows: number): number | undefined {
    const wanted = sizeOf(rows);
    for (let size = wanted; size < this.#seconds.length; size += 1) {
      const seconds = this.#seconds[size] ?? Number.NaN;
      if (!Number.isNaN(seconds)) {
        return seconds;
      }
    }
    // The last one was seen: the list is only as long as the largest size.
    const largest = this.#seconds.at(-1);
    return largest === undefined ? undefined : largest * 2 ** (wanted - this.#seconds.length + 1);
  }
}

function sizeOf(rows: number): number {
  return 32 - Math.clz32(Math.max(1, rows) - 1);
}
