// Answers that clients do not take: how long each may wait, and how much of the memory they may fill together.

import type { ServerResponse } from "node:http";

export interface UnsentAnswersOptions {
  /** Of all answers together; when there is more, those that have waited for long are given up. */
  readonly maxBytes: number;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
}

interface Unsent {
  readonly bytes: number;
  readonly sinceMs: number;
}

/** As long as a request may take to arrive. */
const TAKE_TIMEOUT_MS = 60_000;
/** While memory is short: no client that reads needs longer before others need its place. */
const SHORT_TAKE_TIMEOUT_MS = 5000;

export class UnsentAnswers {
  readonly #options: UnsentAnswersOptions;
  /** The oldest first. */
  readonly #unsent = new Map<ServerResponse, Unsent>();
  #bytes = 0;

  constructor(options: UnsentAnswersOptions) {
    this.#options = options;
  }

  /** Whether they fill what they may: then no request should be begun whose answer would be one more. */
  get isFull(): boolean {
    return this.#bytes > this.#options.maxBytes;
  }

  /** For each answer, after all of it was given to Node. */
  add(response: ServerResponse): void {
    const bytes = response.writableLength;
    // Nearly always: the system has taken it.
    if (bytes === 0) {
      return;
    }
    this.#unsent.set(response, { bytes, sinceMs: this.#options.clock() });
    this.#bytes += bytes;
    response.once("close", () => this.#remove(response));
  }

  /** To be called now and then: gives up those that have waited for too long. @param impatient whether any wait is too long */
  sweep(impatient: boolean): void {
    const nowMs = this.#options.clock();
    for (const [response, { sinceMs }] of this.#unsent) {
      if (nowMs - sinceMs < this.#timeoutMs(impatient)) {
        return;
      }
      response.req.socket.destroy();
      this.#remove(response);
    }
  }

  #timeoutMs(impatient: boolean): number {
    if (impatient) {
      return 0;
    }
    return this.isFull ? SHORT_TAKE_TIMEOUT_MS : TAKE_TIMEOUT_MS;
  }

  #remove(response: ServerResponse): void {
    const unsent = this.#unsent.get(response);
    if (unsent !== undefined) {
      this.#unsent.delete(response);
      this.#bytes -= unsent.bytes;
    }
  }
}
