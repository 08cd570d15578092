// A queue of keys for reconciling: no key twice, none on two workers, urgent ones first, failures ever later, delays by due time.

import { backoffMs } from "./backoff.ts";
import { type Clock, maxTimerMs, systemClock } from "./clock.ts";
import type { QueueMetrics } from "./metrics.ts";

export interface WorkQueueOptions {
  /** First delay after a failure. Default 5. */
  readonly baseDelayMs?: number;
  /**
   * Longest delay after failures. Default 60 000: after an outage of the API server, however long, the last key is
   * tried within a minute.
   */
  readonly maxDelayMs?: number;
  /**
   * Which keys go before the others, such as those of objects that are not well: with thousands waiting after a start,
   * they need not wait for those that turn out to be in order. Asked when a key is added. Default: none.
   */
  readonly isUrgent?: (key: string) => boolean;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  readonly metrics?: QueueMetrics;
}

/** Then the longest waiting of the others has its turn: however many are urgent for ever, nobody waits for ever. */
const urgentInRow = 4;

interface Delayed {
  readonly dueMs: number;
  readonly cancel: () => void;
}

/**
 * Urgent keys, then the others, each in the order in which they came. A key added while it waits is one entry; a key added while it is processed
 * waits until `done` and is then processed again. Every `get` must be followed by one `done`.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #backoff: { readonly baseMs: number; readonly maxMs: number; readonly random: () => number };
  readonly #metrics: QueueMetrics | undefined;
  readonly #isUrgent: (key: string) => boolean;
  /** Waiting keys in order, with the time they were added. */
  readonly #urgent = new Map<string, number>();
  readonly #others = new Map<string, number>();
  #urgentTaken = 0;
  readonly #processing = new Map<string, number>();
  /** Keys added while processed, with the time they were added. */
  readonly #dirty = new Map<string, number>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(options: WorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#backoff = {
      baseMs: options.baseDelayMs ?? 5,
      maxMs: options.maxDelayMs ?? 60_000,
      random: options.random ?? Math.random,
    };
    this.#metrics = options.metrics;
    this.#isUrgent = options.isUrgent ?? (() => false);
  }

  /** Keys that could be taken now. */
  get depth(): number {
    return this.#urgent.size + this.#others.size;
  }

  /** Keys that wait for their time. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** Seconds that each key in processing has been processed, longest first. */
  get processingSeconds(): readonly number[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#processing.values()].map((startedMs) => (nowMs - startedMs) / 1000);
  }

  get isShutDown(): boolean {
    return this.#drained !== undefined;
  }

  add(key: string): void {
    if (this.isShutDown || this.#urgent.has(key) || this.#dirty.has(key)) return;
    const waitsSinceMs = this.#others.get(key);
    if (waitsSinceMs !== undefined) {
      this.#raise(key, waitsSinceMs);
      return;
    }
    this.#metrics?.added();
    if (this.#processing.has(key)) this.#dirty.set(key, this.#clock.nowMs());
    else this.#enqueue(key, this.#clock.nowMs());
  }

  /** Adds the key when the time is over. Of several times for one key the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.isShutDown) return;
    if (!(delayMs > 0)) {
      this.add(key);
      return;
    }
    const dueMs = this.#clock.nowMs() + Math.min(delayMs, maxTimerMs);
    const earlier = this.#delayed.get(key);
    if (earlier !== undefined && earlier.dueMs <= dueMs) return;
    earlier?.cancel();
    const cancel = this.#clock.schedule(Math.min(delayMs, maxTimerMs), () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { dueMs, cancel });
  }

  /** Adds the key after a delay that doubles with each call until `forget`. */
  addRateLimited(key: string): void {
    const failures = this.retries(key) + 1;
    this.#failures.set(key, failures);
    this.#metrics?.retried();
    this.addAfter(key, backoffMs(failures, this.#backoff));
  }

  /** Ends the key's history of failures; it does not remove the key. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often the key was added by `addRateLimited` since it was last forgotten. */
  retries(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Resolves with the next key as soon as there is one, or with undefined after `shutDown`. */
  get(): Promise<string | undefined> {
    if (this.isShutDown) return Promise.resolve(undefined);
    const waiting = this.#nextInLine();
    for (const [key, addedMs] of waiting) {
      waiting.delete(key);
      this.#urgentTaken = waiting === this.#urgent ? this.#urgentTaken + 1 : 0;
      return Promise.resolve(this.#start(key, addedMs));
    }
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#takers.push(resolve);
    return promise;
  }

  /** Says that the key's processing has ended. */
  done(key: string): void {
    const startedMs = this.#processing.get(key);
    if (startedMs === undefined) throw new Error(`done without get: ${key}`);
    this.#processing.delete(key);
    this.#metrics?.worked((this.#clock.nowMs() - startedMs) / 1000);
    const addedMs = this.#dirty.get(key);
    this.#dirty.delete(key);
    if (this.isShutDown) {
      if (this.#processing.size === 0) this.#drained?.resolve();
    } else if (addedMs !== undefined) {
      this.#enqueue(key, addedMs);
    }
  }

  /** Takes no more keys and drops the waiting ones; resolves when the last key in processing is done. */
  shutDown(): Promise<void> {
    if (this.#drained === undefined) {
      this.#drained = Promise.withResolvers<void>();
      for (const { cancel } of this.#delayed.values()) cancel();
      this.#delayed.clear();
      this.#urgent.clear();
      this.#others.clear();
      this.#dirty.clear();
      this.#metrics?.depth(0);
      for (const take of this.#takers.splice(0)) take(undefined);
      if (this.#processing.size === 0) this.#drained.resolve();
    }
    return this.#drained.promise;
  }

  /** A key that waits already may have become urgent. */
  #raise(key: string, addedMs: number): void {
    if (!this.#isUrgent(key)) return;
    this.#others.delete(key);
    this.#urgent.set(key, addedMs);
  }

  #nextInLine(): Map<string, number> {
    const othersTurn = this.#urgent.size === 0 || (this.#urgentTaken >= urgentInRow && this.#others.size > 0);
    return othersTurn ? this.#others : this.#urgent;
  }

  #enqueue(key: string, addedMs: number): void {
    const take = this.#takers.shift();
    if (take === undefined) {
      (this.#isUrgent(key) ? this.#urgent : this.#others).set(key, addedMs);
      this.#metrics?.depth(this.depth);
    } else {
      take(this.#start(key, addedMs));
    }
  }

  #start(key: string, addedMs: number): string {
    const nowMs = this.#clock.nowMs();
    this.#processing.set(key, nowMs);
    this.#metrics?.depth(this.depth);
    this.#metrics?.waited((nowMs - addedMs) / 1000);
    return key;
  }
}
