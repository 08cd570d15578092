// A bound on how many things are done at once: each takes a slot first, and waits for one where it may.

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** False where there is none. */
  tryTake(): boolean {
    if (this.#free === 0) {
      return false;
    }
    this.#free -= 1;
    return true;
  }

  /** Calls `taken` at once or in its turn. */
  take(taken: () => void): void {
    if (this.tryTake()) {
      taken();
    } else {
      this.#waiting.push(taken);
    }
  }

  /** Gives one back. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#free += 1;
    } else {
      next();
    }
  }
}
