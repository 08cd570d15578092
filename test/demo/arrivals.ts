// When requests arrive: a Poisson process with a seed, so that arrivals come in bursts as real ones do, and every run is the same.

/** Numbers in [0, 1), the same ones for the same seed: mulberry32, a small generator that is good enough for arrivals. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A Poisson process whose rate may change. It says when the next request arrives and never looks at answers: an open loop.
 *
 * Each arrival waits for a share of "work" drawn from the exponential distribution, and time does that work at the set rate. So a change of
 * the rate needs no new draw: half of the work done at 1/s and the other half at 10/s end where they must.
 */
export class Arrivals {
  readonly #random: () => number;
  #ratePerSecond = 0;
  #work: number;
  #fromMs = 0;

  constructor(random: () => number) {
    this.#random = random;
    this.#work = this.#draw();
  }

  get ratePerSecond(): number {
    return this.#ratePerSecond;
  }

  /**
   * Time of the next arrival in milliseconds; Infinity at rate 0. Stays the same until `take` or `setRate`.
   */
  get nextMs(): number {
    return this.#ratePerSecond === 0
      ? Number.POSITIVE_INFINITY
      : this.#fromMs + (this.#work / this.#ratePerSecond) * 1000;
  }

  /** From `nowMs` on requests arrive at this rate. Arrivals due before `nowMs` must have been taken. */
  setRate(ratePerSecond: number, nowMs: number): void {
    this.#work = Math.max(0, this.#work - ((nowMs - this.#fromMs) / 1000) * this.#ratePerSecond);
    this.#fromMs = nowMs;
    this.#ratePerSecond = ratePerSecond;
  }

  /** The arrivals up to and including `nowMs`, in order. */
  take(nowMs: number): number[] {
    const due: number[] = [];
    while (this.nextMs <= nowMs) {
      this.#fromMs = this.nextMs;
      due.push(this.#fromMs);
      this.#work = this.#draw();
    }
    return due;
  }

  #draw(): number {
    return -Math.log(1 - this.#random());
  }
}
