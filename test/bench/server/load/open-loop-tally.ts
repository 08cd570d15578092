// The books of an open loop: each request is counted exactly once, with its latency from the moment it was due.

import { percentile } from "../statistics.ts";

/** How a request ended. Rejected is a 503; lost is every other end without an answer 200. */
export type Ending = "answered" | "rejected" | "lost";

export interface OpenLoopReport {
  readonly sent: number;
  readonly answered: number;
  /** Of the answered ones, those within the limit. */
  readonly answeredInTime: number;
  readonly rejected: number;
  readonly lost: number;
  /** Why, with counts. */
  readonly lossReasons: Readonly<Record<string, number>>;
  /** Milliseconds from when it was due, of every answered request; absent where there were none. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Milliseconds from when it was due, of every rejected request; absent where there were none. */
  readonly rejectP99Ms?: number;
  /** The same from when it was sent, which leaves out what the generator itself was late. */
  readonly rejectFromSendP99Ms?: number;
  /** How late the generator sent; absent where nothing was sent. */
  readonly sendDelayP99Ms?: number;
}

/** Times in seconds, all by the same clock. */
export interface SentRequest {
  readonly due: number;
  readonly sent: number;
}

export class OpenLoopTally {
  readonly #limitSeconds: number;
  readonly #answered: number[] = [];
  readonly #rejected: number[] = [];
  readonly #rejectedFromSend: number[] = [];
  readonly #sendDelays: number[] = [];
  readonly #lossReasons = new Map<string, number>();
  #lost = 0;

  /** @param limitSeconds later answers are not in time */
  constructor(limitSeconds: number) {
    this.#limitSeconds = limitSeconds;
  }

  get open(): number {
    return this.#sendDelays.length - this.#answered.length - this.#rejected.length - this.#lost;
  }

  sent({ due, sent }: SentRequest): void {
    this.#sendDelays.push(sent - due);
  }

  /** Once for each request that was sent. */
  ended({ due, sent }: SentRequest, status: number, now: number): void {
    if (status === 200) {
      this.#answered.push(now - due);
    } else if (status === 503) {
      this.#rejected.push(now - due);
      this.#rejectedFromSend.push(now - sent);
    } else {
      this.lost(`status ${status}`);
    }
  }

  /** In place of `ended`. */
  lost(reason: string): void {
    this.#lost += 1;
    this.#lossReasons.set(reason, (this.#lossReasons.get(reason) ?? 0) + 1);
  }

  report(): OpenLoopReport {
    return {
      sent: this.#sendDelays.length,
      answered: this.#answered.length,
      answeredInTime: this.#answered.filter((seconds) => seconds <= this.#limitSeconds).length,
      rejected: this.#rejected.length,
      lost: this.#lost,
      lossReasons: Object.fromEntries(this.#lossReasons),
      ...ifAny(this.#answered, (all) => ({ p50Ms: milliseconds(all, 50), p99Ms: milliseconds(all, 99) })),
      ...ifAny(this.#rejected, (all) => ({ rejectP99Ms: milliseconds(all, 99) })),
      ...ifAny(this.#rejectedFromSend, (all) => ({ rejectFromSendP99Ms: milliseconds(all, 99) })),
      ...ifAny(this.#sendDelays, (all) => ({ sendDelayP99Ms: milliseconds(all, 99) })),
    };
  }
}

function ifAny<T>(values: readonly number[], make: (values: readonly number[]) => T): T | undefined {
  return values.length === 0 ? undefined : make(values);
}

function milliseconds(seconds: readonly number[], percent: number): number {
  return percentile(seconds, percent) * 1000;
}
