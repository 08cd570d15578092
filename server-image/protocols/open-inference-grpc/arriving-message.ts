// A request message while it arrives: its bytes are counted against what may be held, and nobody may hold a place by sending nothing.

import type { BodyBudget, BodyShare } from "../http/body-budget.ts";
import { type CallStatus, LATE, NO_ROOM } from "./status.ts";

/** Without a byte of it. */
const IDLE_TIMEOUT_MS = 10_000;
/** For the whole of it. */
const TOTAL_TIMEOUT_MS = 60_000;

/** Up to so many bytes a piece costs more than itself in memory, */
const SHORT_PIECE_BYTES = 1024;
/** about so much, */
const PIECE_COST_BYTES = 200;
/** and only a client that means it sends more than a few. */
const FREE_SHORT_PIECES = 16;

export interface ArrivingMessageOptions {
  readonly budget: BodyBudget;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** Called with the reason why the message will not be taken. */
  readonly refuse: (answer: CallStatus) => void;
}

export class ArrivingMessage {
  /** Its part of the budget, which stays when it is complete: the request is worked on then. */
  readonly share: BodyShare;
  readonly #options: ArrivingMessageOptions;
  #startedAtMs = 0;
  #shortPieces = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ArrivingMessageOptions) {
    this.#options = options;
    this.share = options.budget.open();
  }

  /** From now on it is late if it does not come. */
  expect(): void {
    this.#startedAtMs = this.#options.clock();
    this.#timer = setTimeout(() => this.#options.refuse(LATE), IDLE_TIMEOUT_MS);
  }

  /** For each piece of it. */
  add(bytes: number): void {
    const { clock, refuse } = this.#options;
    if (this.#timer === undefined) {
      this.expect();
    }
    if (!this.share.take(bytes + this.#costBesides(bytes))) {
      refuse(NO_ROOM);
    } else if (clock() - this.#startedAtMs >= TOTAL_TIMEOUT_MS) {
      refuse(LATE);
    } else {
      this.#timer?.refresh();
    }
  }

  #costBesides(bytes: number): number {
    if (bytes > SHORT_PIECE_BYTES) {
      return 0;
    }
    this.#shortPieces += 1;
    return this.#shortPieces > FREE_SHORT_PIECES ? PIECE_COST_BYTES : 0;
  }

  /** It is there, or will not be waited for any longer. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
