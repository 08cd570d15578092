// Long work in slices: sockets and timers get their turn although promises alone would go on without end.

import { setImmediate } from "node:timers/promises";
import { type Clock, systemClock } from "./clock.ts";

/** Short beside everything that waits for the event loop: probes, leases, deadlines of requests. */
const defaultSliceMs = 20;

/**
 * Many steps that need no I/O, on however many workers, share one slice. Without an `await` of `pause` between them a
 * cold start with a thousand unchanged objects is a single turn of the event loop.
 */
export class TimeSlices {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  #beganMs: number;
  #nextTurn: Promise<void> | undefined;

  constructor({ clock = systemClock, sliceMs = defaultSliceMs }: { clock?: Clock; sliceMs?: number } = {}) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#beganMs = clock.nowMs();
  }

  /** Resolves at once while the slice lasts, and after that when the event loop has gone round. */
  pause(): Promise<void> {
    if (this.#nextTurn === undefined && this.#clock.nowMs() - this.#beganMs >= this.#sliceMs) {
      this.#nextTurn = this.#goRound();
    }
    return this.#nextTurn ?? Promise.resolve();
  }

  async #goRound(): Promise<void> {
    await setImmediate();
    this.#beganMs = this.#clock.nowMs();
    this.#nextTurn = undefined;
  }
}
