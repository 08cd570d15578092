// The bounded queue between the protocols and the workers: first come, first served, one request per run for now.

import type { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import type { WorkerPool } from "./pool.ts";
import type { RunRequest, RunResult } from "./worker-handle.ts";

/** What the batcher needs of a pool. */
export type Runner = Pick<WorkerPool, "idleCount" | "run">;

/** Told of each run that gave a result. */
export interface RunObserver {
  observeRun(run: { rows: number; queueSeconds: number; computeSeconds: number }): void;
}

export interface BatcherOptions {
  /** Requests that may wait while all workers are busy. */
  readonly maxQueueLength: number;
  /** Waiting longer ends with `UNAVAILABLE`; a run that has begun is not cut off. */
  readonly requestTimeoutMs: number;
  readonly observer: RunObserver;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
}

interface Waiting {
  readonly request: RunRequest;
  readonly rows: number;
  readonly enqueuedAt: number;
  readonly result: PromiseWithResolvers<RunResult>;
}

export class Batcher {
  readonly #runner: Runner;
  readonly #options: BatcherOptions;
  // A Set keeps the order of arrival and lets any request leave at once.
  readonly #queue = new Set<Waiting>();
  #inFlight = 0;

  constructor(runner: Runner, options: BatcherOptions) {
    this.#runner = runner;
    this.#options = options;
  }

  /** Accepted requests that do not run yet. */
  get queueDepth(): number {
    return this.#queue.size;
  }

  /** Accepted requests without a result: waiting or running. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether `infer` would reject right now. */
  get isFull(): boolean {
    return this.#runner.idleCount === 0 && this.#queue.size >= this.#options.maxQueueLength;
  }

  /**
   * Waits for a worker and runs. Rejects with `UNAVAILABLE` at once when the queue is full and when the wait is too long,
   * with `CANCELLED` when the client leaves while the request waits, and as the pool does when the run fails.
   *
   * @param rows how many rows the request counts for in the batch size
   */
  async infer(request: RunRequest, rows: number, cancellation: Cancellation): Promise<RunResult> {
    if (this.isFull) {
      throw queueFull();
    }
    if (cancellation.cancelled) {
      throw clientGone();
    }
    const { clock, requestTimeoutMs } = this.#options;
    const waiting: Waiting = { request, rows, enqueuedAt: clock(), result: Promise.withResolvers() };
    const leave = (reason: InferenceError) => {
      if (this.#queue.delete(waiting)) {
        waiting.result.reject(reason);
      }
    };
    const leaveUnread = () => leave(clientGone());
    const timer = setTimeout(() => leave(waitedTooLong(requestTimeoutMs)), requestTimeoutMs);
    cancellation.listen(leaveUnread);
    this.#inFlight += 1;
    this.#queue.add(waiting);
    this.dispatch();
    try {
      return await waiting.result.promise;
    } finally {
      this.#inFlight -= 1;
      clearTimeout(timer);
      cancellation.listen(undefined);
    }
  }

  /** Gives idle workers to the requests that have waited longest. To be called when a worker becomes idle. */
  dispatch(): void {
    for (const waiting of this.#queue) {
      if (this.#runner.idleCount === 0) {
        return;
      }
      this.#queue.delete(waiting);
      waiting.result.resolve(this.#run(waiting));
    }
  }

  async #run({ request, rows, enqueuedAt }: Waiting): Promise<RunResult> {
    const queueSeconds = (this.#options.clock() - enqueuedAt) / 1000;
    const result = await this.#runner.run(request);
    this.#options.observer.observeRun({ rows, queueSeconds, computeSeconds: result.computeSeconds });
    return result;
  }
}

/** The error of a full queue, also for protocols that ask `isFull` before they read a body. */
export function queueFull(): InferenceError {
  return new InferenceError("UNAVAILABLE", "Exceeds maximum queue size: the server is at its limit; try again later");
}

function clientGone(): InferenceError {
  return new InferenceError("CANCELLED", "the client closed the connection");
}

function waitedTooLong(limitMs: number): InferenceError {
  return new InferenceError("UNAVAILABLE", `Request timeout expired: it waited ${limitMs / 1000} s for its turn`);
}
