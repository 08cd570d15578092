// Whether something in the operator has hung, so that only a restart helps.

/** Work that has a time limit of its own: beyond `limitSeconds` it has hung. */
export interface LimitedWork {
  readonly what: string;
  readonly limitSeconds: number;
  /** Seconds since the piece of work in progress began; 0 when there is none. */
  readonly runningSeconds: () => number;
}

/** Says what hangs; undefined when nothing does. */
export function findStuck(works: readonly LimitedWork[]): string | undefined {
  const stuck = works.find(({ runningSeconds, limitSeconds }) => runningSeconds() > limitSeconds);
  return stuck && `${stuck.what} has run for more than ${stuck.limitSeconds} s`;
}

/** Times one piece of work after the other. */
export class WorkTimer {
  readonly #nowMs: () => number;
  #startedMs: number | undefined;

  /** `nowMs` never goes back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get runningSeconds(): number {
    return this.#startedMs === undefined ? 0 : (this.#nowMs() - this.#startedMs) / 1000;
  }

  /** Resolves with the seconds that the work took; rejects as it does. */
  async time(work: () => Promise<void>): Promise<number> {
    this.#startedMs = this.#nowMs();
    try {
      await work();
      return this.runningSeconds;
    } finally {
      this.#startedMs = undefined;
    }
  }
}
