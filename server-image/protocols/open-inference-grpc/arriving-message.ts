// A request message while it arrives: its bytes are counted against what may be held, and nobody may hold a place by sending nothing.

import type { BodyBudget, BodyShare } from "../http/body-budget.ts";

/** Without a byte of it. */
const IDLE_TIMEOUT_MS = 10_000;
/** For the whole of it. */
const TOTAL_TIMEOUT_MS = 60_000;

export class ArrivingMessage {
  /** Its part of the budget, which stays when it is complete: the request is worked on then. */
  readonly share: BodyShare;
  #expectedSinceMs: number | undefined;
  #lastByteAtMs = 0;

  constructor(budget: BodyBudget) {
    this.share = budget.open();
  }

  /** From now on it is late if it does not come. */
  expect(nowMs: number): void {
    this.#expectedSinceMs = nowMs;
    this.#lastByteAtMs = nowMs;
  }

  /** False where there is no room for these bytes. Without a call of `expect` it is expected from its first byte on. */
  add(bytes: number, nowMs: number): boolean {
    this.#expectedSinceMs ??= nowMs;
    this.#lastByteAtMs = nowMs;
    return this.share.take(bytes);
  }

  isLate(nowMs: number): boolean {
    return (
      this.#expectedSinceMs !== undefined &&
      (nowMs - this.#lastByteAtMs >= IDLE_TIMEOUT_MS || nowMs - this.#expectedSinceMs >= TOTAL_TIMEOUT_MS)
    );
  }
}
