// One abort signal for a call that ends with its caller's signal or with its own deadline.

import type { Clock } from "./clock.ts";

/** Ends a call when its caller gives up or its time is over; `end` must be called, or the caller's signal keeps it. */
export class Lifeline {
  /** True once the deadline, not the caller, ended the call. */
  timedOut = false;
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #cancelTimer: () => void;
  readonly #onParentAbort = (): void => this.#controller.abort(this.#parent?.reason);

  constructor(clock: Clock, timeoutMs: number, parent?: AbortSignal) {
    this.#parent = parent;
    this.#cancelTimer = clock.schedule(timeoutMs, () => {
      this.timedOut = true;
      this.#controller.abort(new DOMException(`${timeoutMs / 1000} s are over`, "TimeoutError"));
    });
    if (parent?.aborted) this.#onParentAbort();
    parent?.addEventListener("abort", this.#onParentAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Lifts the deadline; the caller's signal still ends the call. */
  liftDeadline(): void {
    this.#cancelTimer();
  }

  end(): void {
    this.#cancelTimer();
    this.#parent?.removeEventListener("abort", this.#onParentAbort);
  }
}
