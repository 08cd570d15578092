// A few numbers of each I/O thread in memory that all of them see: connections, answers, whether it is at its limit.

import { PROTOCOLS, type Protocol } from "../metrics.ts";

const CONNECTIONS = 0;
const SATURATED_SINCE = 1;
const ANSWERED = 2;
const FIELDS = ANSWERED + PROTOCOLS.length;

/** Each thread writes its own part only, so nothing is lost; readers may see figures a moment old. */
export class ThreadBoard {
  /** To be handed to other threads. */
  readonly memory: SharedArrayBuffer;
  readonly threads: number;
  readonly #numbers: Float64Array;

  constructor(threads: number, memory = new SharedArrayBuffer(threads * FIELDS * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.threads = threads;
    this.#numbers = new Float64Array(memory);
  }

  setConnections(thread: number, count: number): void {
    this.#numbers[thread * FIELDS + CONNECTIONS] = count;
  }

  /** Whether a thread holds clearly more connections than the others do on average. */
  isAhead(thread: number): boolean {
    let total = 0;
    for (let other = 0; other < this.threads; other += 1) {
      total += this.#numbers[other * FIELDS + CONNECTIONS] ?? 0;
    }
    const own = this.#numbers[thread * FIELDS + CONNECTIONS] ?? 0;
    // One more than its share is as even as it gets, when connections do not divide by threads.
    return own >= total / this.threads + 2;
  }

  /** @param wallClockMs milliseconds since 1970; undefined: it is not at its limit */
  setSaturatedSince(thread: number, wallClockMs: number | undefined): void {
    this.#numbers[thread * FIELDS + SATURATED_SINCE] = wallClockMs ?? 0;
  }

  /** Since when all threads have been at their limit, in milliseconds since 1970; undefined: some are not. */
  saturatedSince(): number | undefined {
    let latest = 0;
    for (let thread = 0; thread < this.threads; thread += 1) {
      const since = this.#numbers[thread * FIELDS + SATURATED_SINCE] ?? 0;
      if (since === 0) {
        return undefined;
      }
      latest = Math.max(latest, since);
    }
    return latest;
  }

  setAnswered(thread: number, protocol: Protocol, count: number): void {
    this.#numbers[thread * FIELDS + ANSWERED + PROTOCOLS.indexOf(protocol)] = count;
  }

  /** Inference requests that were answered 200 so far, by all threads. */
  answered(protocol: Protocol): number {
    let total = 0;
    for (let thread = 0; thread < this.threads; thread += 1) {
      total += this.#numbers[thread * FIELDS + ANSWERED + PROTOCOLS.indexOf(protocol)] ?? 0;
    }
    return total;
  }
}
