// The bounded queue between the protocols and what runs the model: what queued while it was busy is the next batch.

import type { Cancellation } from "../cancellation.ts";
import type { InferenceError } from "../inference-error.ts";
import { clientGone, queueBytesFull, queueFull, refuseTooLate, waitedTooLong } from "./admission.ts";
import { joinInputs, memoryOf, outputNamesOf, splitOutputs } from "./batch.ts";
import { BatchSizeTuner } from "./batch-size-tuner.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { RequestQueue } from "./request-queue.ts";
import { RunTimes } from "./run-times.ts";
import { ModelRunError, type Runner, type RunResult } from "./runner.ts";
import type { InferenceRequest, InferenceResult } from "./served-model.ts";
import type { StatisticsRecorder } from "./statistics.ts";
import { WaitingRequest } from "./waiting-request.ts";

/** Told of each request that begins to run, and of each run that gave a result. */
export interface RunObserver {
  observeQueue(seconds: number): void;
  observeRun(run: { rows: number; computeSeconds: number }): void;
}

export interface BatcherOptions {
  /** Whether requests may be joined. */
  readonly batchable: boolean;
  /** Most rows of joined requests, to begin with. */
  readonly maxBatchSize: number;
  /** Live traffic may show that more is better, but never more than this. */
  readonly batchSizeLimit: number;
  /** Longest run that a larger batch may lead to. */
  readonly maxBatchRunMs: number;
  /** A request waits so long for others to join while a worker is idle; 0: not at all. */
  readonly batchDelayMs: number;
  /** Requests that may wait while all workers are busy. */
  readonly maxQueueLength: number;
  /** Bytes of inputs that may wait. */
  readonly maxQueueBytes: number;
  /** Waiting longer ends with `UNAVAILABLE`; a run that has begun is not cut off. */
  readonly queueTimeoutMs: number;
  /** A request that can expect to wait longer, and longer than a few runs, is refused at once. */
  readonly maxExpectedWaitMs: number;
  readonly observer: RunObserver;
  readonly statistics: StatisticsRecorder;
  readonly buffers: BufferPool;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** Calls back once all that has arrived by now has been read: `setImmediate`. */
  readonly afterArrivals: (callback: () => void) => void;
}

/** How often it is looked for requests that have waited too long. */
const SWEEP_MS = 20;

export class Batcher {
  readonly #runner: Runner;
  readonly #options: BatcherOptions;
  readonly #queue = new RequestQueue<WaitingRequest>();
  readonly #runTimes = new RunTimes();
  readonly #batchSize: BatchSizeTuner;
  #inFlight = 0;
  #dispatchIsDue = false;
  #delayIsDue = false;
  #sweeping = false;
  #lastEmptyAtMs: number;

  constructor(runner: Runner, options: BatcherOptions) {
    this.#runner = runner;
    this.#options = options;
    this.#lastEmptyAtMs = options.clock();
    this.#batchSize = new BatchSizeTuner({
      initial: options.batchable ? options.maxBatchSize : 1,
      limit: options.batchable ? options.batchSizeLimit : 1,
      maxRunMs: options.maxBatchRunMs,
    });
  }

  /** Accepted requests that do not run yet. */
  get queueDepth(): number {
    return this.#queue.length;
  }

  /** Accepted requests without a result: waiting or running. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Since when requests have been waiting without a break; undefined while none waits. By the clock of the options. */
  get backlogSinceMs(): number | undefined {
    return this.#queue.length === 0 ? undefined : this.#lastEmptyAtMs;
  }

  /** Tells what is known of run times from elsewhere, such as the calibration. */
  learnRunTime(rows: number, seconds: number): void {
    this.#runTimes.observe(rows, seconds);
  }

  /** Why `infer` would reject any request right now; undefined where it would not. */
  refusal(): InferenceError | undefined {
    const { maxBatchSize, maxQueueLength, maxQueueBytes } = this.#options;
    const beginAtOnce = this.#runner.idleCount * maxBatchSize;
    if (this.#queue.length >= maxQueueLength + beginAtOnce) {
      return queueFull();
    }
    return this.#queue.bytes >= maxQueueBytes ? queueBytesFull() : undefined;
  }

  /**
   * Waits for a turn and runs, possibly together with others. Rejects with `UNAVAILABLE` at once when the queue is full
   * or the wait would be too long, and when it was too long after all; with `CANCELLED` when the client leaves while the
   * request waits; and as the runner does when the run fails.
   */
  infer(request: InferenceRequest, cancellation: Cancellation): Promise<InferenceResult> {
    const { clock, queueTimeoutMs, statistics, batchable } = this.#options;
    const nowMs = clock();
    const refusal = cancellation.cancelled ? clientGone() : (this.refusal() ?? this.#tooLate(request));
    if (refusal !== undefined) {
      statistics.failed(0);
      return Promise.reject(refusal);
    }
    const waiting = new WaitingRequest(request, cancellation, {
      joinable: batchable,
      nowMs,
      timeoutMs: Math.min(request.timeoutMs ?? Number.POSITIVE_INFINITY, queueTimeoutMs),
    });
    const result = new Promise<InferenceResult>((resolve, reject) => {
      waiting.resolve = resolve;
      waiting.reject = reject;
    });
    cancellation.listen(() => {
      if (this.#queue.remove(waiting)) {
        this.#fail(waiting, clientGone());
      }
    });
    this.#inFlight += 1;
    this.#enqueue(waiting);
    this.#dispatchSoon();
    return result;
  }

  /** Gives the requests that have waited longest to what is idle. To be called when a worker becomes idle. */
  dispatch(): void {
    while (this.#runner.idleCount > 0 && this.#queue.length > 0 && !this.#waitsForMore()) {
      const { maxRows, atBacklog } = this.#batchSize.choose(this.#queue.rows);
      const batch = this.#queue.takeBatch(maxRows);
      if (this.#queue.length === 0) {
        this.#lastEmptyAtMs = this.#options.clock();
      }
      void this.#run(batch, atBacklog);
    }
  }

  #enqueue(waiting: WaitingRequest): void {
    if (this.#queue.length === 0) {
      this.#lastEmptyAtMs = this.#options.clock();
    }
    this.#queue.add(waiting);
    this.#sweepLater();
  }

  /** What arrives in one turn of the event loop runs together where it can: no waiting, but no haste either. */
  #dispatchSoon(): void {
    if (this.#runner.idleCount === 0 || this.#dispatchIsDue) {
      return;
    }
    if (!this.#options.batchable) {
      this.dispatch();
      return;
    }
    this.#dispatchIsDue = true;
    this.#options.afterArrivals(() => {
      this.#dispatchIsDue = false;
      this.dispatch();
    });
  }

  #waitsForMore(): boolean {
    const { batchDelayMs, maxBatchSize, clock } = this.#options;
    const first = this.#queue.peek();
    if (batchDelayMs === 0 || first?.joinKey === undefined || this.#queue.rows >= maxBatchSize) {
      return false;
    }
    const remainingMs = first.enqueuedAtMs + batchDelayMs - clock();
    if (remainingMs <= 0) {
      return false;
    }
    if (!this.#delayIsDue) {
      this.#delayIsDue = true;
      setTimeout(() => {
        this.#delayIsDue = false;
        this.dispatch();
      }, remainingMs);
    }
    return true;
  }

  async #run(batch: readonly WaitingRequest[], atBacklog: boolean): Promise<void> {
    const { clock, observer, statistics, buffers } = this.#options;
    const startedAtMs = clock();
    for (const waiting of batch) {
      // Another try is no other request.
      if (!waiting.hasRun) {
        waiting.hasRun = true;
        observer.observeQueue((startedAtMs - waiting.enqueuedAtMs) / 1000);
        statistics.queued(startedAtMs - waiting.enqueuedAtMs);
      }
    }
    const rows = batch.reduce((sum, part) => sum + part.rows, 0);
    try {
      const [only] = batch;
      const isJoined = this.#runner.movesInputs || batch.length > 1;
      const inputs = isJoined || only === undefined ? joinInputs(batch, buffers) : only.request.inputs;
      const joinedAtMs = clock();
      const result = await this.#runner.run({ inputs, outputNames: outputNamesOf(batch) });
      const ranAtMs = clock();
      const freed = isJoined && !this.#runner.movesInputs ? memoryOf(inputs) : result.freed;
      for (const buffer of freed) {
        buffers.give(buffer);
      }
      this.#succeed(batch, result);
      this.#runTimes.observe(rows, result.computeSeconds);
      this.#batchSize.observe({ rows, seconds: result.computeSeconds, atBacklog });
      observer.observeRun({ rows, computeSeconds: result.computeSeconds });
      statistics.ran({
        rows,
        requests: batch.length,
        wallClockMs: this.#options.wallClock(),
        inputMs: joinedAtMs - startedAtMs,
        inferMs: result.computeSeconds * 1000,
        outputMs: clock() - ranAtMs,
      });
    } catch (error) {
      this.#afterFailure(batch, error);
    }
  }

  #succeed(batch: readonly WaitingRequest[], result: RunResult): void {
    const { clock, statistics } = this.#options;
    const outputs = splitOutputs(batch, result.outputs);
    const nowMs = clock();
    for (const [index, waiting] of batch.entries()) {
      this.#inFlight -= 1;
      statistics.succeeded(nowMs - waiting.enqueuedAtMs);
      waiting.resolve({ outputs: outputs[index] ?? [] });
    }
  }

  /** One client's input must not fail the requests of others: those that were joined are tried again, each alone. */
  #afterFailure(batch: readonly WaitingRequest[], error: unknown): void {
    if (batch.length === 1 || !(error instanceof ModelRunError)) {
      for (const waiting of batch) {
        this.#fail(waiting, error);
      }
      return;
    }
    for (const waiting of batch) {
      waiting.joinKey = undefined;
      if (waiting.cancellation.cancelled) {
        this.#fail(waiting, clientGone());
      } else {
        this.#enqueue(waiting);
      }
    }
    this.dispatch();
  }

  #tooLate(request: InferenceRequest): InferenceError | undefined {
    return refuseTooLate(request, {
      runTimes: this.#runTimes,
      rowsAhead: this.#queue.rowsAhead(request.priority ?? 0),
      batchSize: this.#batchSize.size,
      parallelRuns: this.#runner.parallelRuns,
      idle: this.#runner.idleCount > 0 && this.#queue.length === 0,
      maxExpectedWaitMs: this.#options.maxExpectedWaitMs,
    });
  }

  #fail(waiting: WaitingRequest, error: unknown): void {
    this.#inFlight -= 1;
    this.#options.statistics.failed(this.#options.clock() - waiting.enqueuedAtMs);
    waiting.reject(error);
  }

  #sweepLater(): void {
    if (this.#sweeping) {
      return;
    }
    this.#sweeping = true;
    setTimeout(() => {
      this.#sweeping = false;
      const nowMs = this.#options.clock();
      for (const waiting of this.#queue.takeExpired(nowMs)) {
        this.#fail(waiting, waitedTooLong(nowMs - waiting.enqueuedAtMs));
      }
      if (this.#queue.length > 0) {
        this.#sweepLater();
      }
    }, SWEEP_MS);
  }
}
