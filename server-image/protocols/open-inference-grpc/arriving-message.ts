// A request message while it arrives: its bytes are counted against what may be held, and nobody may hold a place by sending nothing.

import type { BodyBudget, BodyShare } from "../http/body-budget.ts";
import { type CallStatus, LATE, NO_ROOM } from "./status.ts";

/** Without a byte of it. */
const IDLE_TIMEOUT_MS = 10_000;
/** For the whole of it. */
const TOTAL_TIMEOUT_MS = 60_000;

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

  add(bytes: number): void {
    const { clock, refuse } = this.#options;
    if (this.#timer === undefined) {
      this.expect();
    }
    if (!this.share.take(bytes)) {
      refuse(NO_ROOM);
    } else if (clock() - this.#startedAtMs >= TOTAL_TIMEOUT_MS) {
      refuse(LATE);
    } else {
      this.#timer?.refresh();
    }
  }

  /** It is there, or will not be waited for any longer. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
