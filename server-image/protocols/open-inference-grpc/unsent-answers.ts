// Answers that clients do not take: how much memory they may fill together, and how long each may wait.

/** As long as a request may take to arrive. */
const TAKE_TIMEOUT_MS = 60_000;
/** While memory is short: no client that reads needs longer before others need its place. */
const SHORT_TAKE_TIMEOUT_MS = 5000;

export class UnsentAnswers {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether they fill what they may: then no request should be begun whose answer would be one more. */
  get isFull(): boolean {
    return this.#bytes > this.#maxBytes;
  }

  /** After which an answer is given up. */
  get timeoutMs(): number {
    return this.isFull ? SHORT_TAKE_TIMEOUT_MS : TAKE_TIMEOUT_MS;
  }

  /** For each answer before it is sent. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Once for each, when it is sent or its client is gone. */
  remove(bytes: number): void {
    this.#bytes -= bytes;
  }
}
