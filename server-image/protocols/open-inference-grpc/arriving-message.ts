// A request message while it arrives: its bytes are counted against what may be held, and nobody may hold a place by sending nothing.

import type { BodyBudget, BodyShare } from "../http/body-budget.ts";

/** Without a byte of it. */
const IDLE_TIMEOUT_MS = 10_000;
/** For the whole of it. */
const TOTAL_TIMEOUT_MS = 60_000;

/** Each piece of a message costs memory of its own, which is more than its bytes where they are few: */
const SHORT_PIECE_BYTES = 1024;
/** about so much. */
const PIECE_COST_BYTES = 200;
/** Those that no decent client sends more of. */
const FREE_SHORT_PIECES = 16;

export class ArrivingMessage {
  /** Its part of the budget, which stays when it is complete: the request is worked on then. */
  readonly share: BodyShare;
  #expectedSinceMs: number | undefined;
  #lastByteAtMs = 0;
  #shortPieces = 0;

  constructor(budget: BodyBudget) {
    this.share = budget.open();
  }

  /** From now on it is late if it does not come. */
  expect(nowMs: number): void {
    this.#expectedSinceMs = nowMs;
    this.#lastByteAtMs = nowMs;
  }

  /** For each piece. False where there is no room for it. Without a call of `expect` it is expected from its first byte on. */
  add(bytes: number, nowMs: number): boolean {
    this.#expectedSinceMs ??= nowMs;
    this.#lastByteAtMs = nowMs;
    return this.share.take(bytes + this.#costBeside(bytes));
  }

  #costBeside(bytes: number): number {
    if (bytes > SHORT_PIECE_BYTES) {
      return 0;
    }
    this.#shortPieces += 1;
    return this.#shortPieces > FREE_SHORT_PIECES ? PIECE_COST_BYTES : 0;
  }

  isLate(nowMs: number): boolean {
    return (
      this.#expectedSinceMs !== undefined &&
      (nowMs - this.#lastByteAtMs >= IDLE_TIMEOUT_MS || nowMs - this.#expectedSinceMs >= TOTAL_TIMEOUT_MS)
    );
  }
}
