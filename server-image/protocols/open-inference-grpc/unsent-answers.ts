// Answers that clients do not take: how much memory they may fill together, and how long each may wait.

export interface UnsentAnswer {
  readonly bytes: number;
  readonly sinceMs: number;
  /** Ends the call. */
  readonly giveUp: () => void;
}

/** As long as a request may take to arrive. */
const TAKE_TIMEOUT_MS = 60_000;
/** While memory is short: no client that reads needs longer before others need its place. */
const SHORT_TAKE_TIMEOUT_MS = 5000;

export class UnsentAnswers {
  readonly #maxBytes: number;
  readonly #clock: () => number;
  /** The oldest first. */
  readonly #unsent = new Set<UnsentAnswer>();
  #bytes = 0;

  /** @param clock milliseconds, monotonic */
  constructor(maxBytes: number, clock: () => number) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** Whether they fill what they may: then no request should be begun whose answer would be one more. */
  isFull(): boolean {
    if (this.#bytes > this.#maxBytes) {
      this.#sweep(SHORT_TAKE_TIMEOUT_MS);
    }
    return this.#bytes > this.#maxBytes;
  }

  /** For each answer before it is sent. */
  add(bytes: number, giveUp: () => void): UnsentAnswer {
    this.#sweep(TAKE_TIMEOUT_MS);
    const unsent = { bytes, sinceMs: this.#clock(), giveUp };
    this.#unsent.add(unsent);
    this.#bytes += bytes;
    return unsent;
  }

  /** Once it is sent or its client is gone. */
  remove(unsent: UnsentAnswer): void {
    if (this.#unsent.delete(unsent)) {
      this.#bytes -= unsent.bytes;
    }
  }

  #sweep(timeoutMs: number): void {
    for (const unsent of this.#unsent) {
      if (this.#clock() - unsent.sinceMs < timeoutMs) {
        return;
      }
      this.remove(unsent);
      unsent.giveUp();
    }
  }
}
