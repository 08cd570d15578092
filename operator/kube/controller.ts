// The reconcile loop: workers take keys from the queue, call reconcile, and come back as its outcome says.

import { randomUUID } from "node:crypto";
import { aborted, type Clock, systemClock, wait } from "./clock.ts";
import { isConflict, TerminalError } from "./errors.ts";
import { Lifeline } from "./lifeline.ts";
import { type MetricSink, queueMetrics, type ReconcileOutcome, resultOf } from "./metrics.ts";
import { refOfKey } from "./paths.ts";
import { TimeSlices } from "./time-slices.ts";
import type { Logger } from "./types.ts";
import { WorkQueue, type WorkQueueOptions } from "./work-queue.ts";

export interface ReconcileContext {
  /** In every log line of one reconcile. */
  readonly reconcileId: string;
  readonly logger: Logger;
}

export interface ReconcileResult {
  /** Reconcile again after this long, whether or not anything changes. */
  readonly requeueAfterSeconds?: number;
}

/**
 * Brings the world closer to what the object of this key asks for. It is told neither what changed nor whether
 * anything did. Throws `TerminalError` when trying again cannot help; a conflict is repeated without fuss; any other
 * error is repeated ever later.
 */
export type Reconcile = (
  key: string,
  signal: AbortSignal,
  context: ReconcileContext,
) => Promise<ReconcileResult | undefined | void>;

/** Something that must be complete before the first reconcile, such as a reflector. */
export interface SyncSource {
  readonly synced: Promise<void>;
}

export interface ControllerOptions {
  /** Label of metrics and logs. */
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly sources: readonly SyncSource[];
  readonly logger: Logger;
  readonly metrics: MetricSink;
  /** Default 5. */
  readonly workers?: number;
  /** After this long the reconcile's signal aborts. Default 60. */
  readonly reconcileTimeoutSeconds?: number;
  /** On stopping, reconciles in progress have this long before their signal aborts. Default 10. */
  readonly drainSeconds?: number;
  readonly queue?: Omit<WorkQueueOptions, "metrics">;
  readonly clock?: Clock;
  /** Makes reconcile ids. */
  readonly randomId?: () => string;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #queue: WorkQueue;
  readonly #logger: Logger;
  readonly #workers: number;
  readonly #slices: TimeSlices;
  #active = 0;

  constructor(options: ControllerOptions) {
    const { name, metrics } = options;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#workers = options.workers ?? 5;
    this.#slices = new TimeSlices({ clock: this.#clock });
    this.#logger = options.logger.child({ controller: name });
    this.#queue = new WorkQueue({ clock: this.#clock, ...options.queue, metrics: queueMetrics(metrics, name) });
    const labels = { controller: name };
    for (const result of Object.values(resultOf)) {
      metrics.count("controller_runtime_reconcile_total", { controller: name, result }, 0);
    }
    metrics.count("controller_runtime_reconcile_errors_total", labels, 0);
    metrics.count("controller_runtime_terminal_reconcile_errors_total", labels, 0);
    metrics.count("controller_runtime_reconcile_timeouts_total", labels, 0);
    metrics.set("controller_runtime_active_workers", labels, 0);
    metrics.set("controller_runtime_max_concurrent_reconciles", labels, this.#workers);
    metrics.track("workqueue_unfinished_work_seconds", { name }, () =>
      this.#queue.processingSeconds.reduce((sum, seconds) => sum + seconds, 0),
    );
    metrics.track("workqueue_longest_running_processor_seconds", { name }, () => this.longestRunningSeconds);
  }

  /** Seconds that the longest reconcile in progress has run; 0 when there is none. */
  get longestRunningSeconds(): number {
    return this.#queue.processingSeconds[0] ?? 0;
  }

  /** Asks for a reconcile of the key. Keys given before `run` are reconciled once the sources are complete. */
  enqueue(key: string): void {
    this.#queue.add(key);
  }

  /** Asks for a reconcile of the key after a while; of several the earliest counts. */
  enqueueAfter(key: string, delaySeconds: number): void {
    this.#queue.addAfter(key, delaySeconds * 1000);
  }

  /** Reconciles until the signal aborts and the reconciles in progress have ended; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = aborted(signal);
    await Promise.race([stopped, Promise.all(this.#options.sources.map((source) => source.synced))]);
    const hardStop = new AbortController();
    const workers = Array.from({ length: signal.aborted ? 0 : this.#workers }, () => this.#work(hardStop.signal));
    await stopped;
    const drained = this.#queue.shutDown();
    const patience = new AbortController();
    await Promise.race([drained, wait(this.#clock, (this.#options.drainSeconds ?? 10) * 1000, patience.signal)]);
    patience.abort();
    hardStop.abort(signal.reason);
    await Promise.all([drained, ...workers]);
  }

  async #work(hardStop: AbortSignal): Promise<void> {
    for (let key = await this.#queue.get(); key !== undefined; key = await this.#queue.get()) {
      this.#activeChanged(1);
      try {
        await this.#process(key, hardStop);
      } finally {
        this.#queue.done(key);
        this.#activeChanged(-1);
      }
      // A reconcile that finds everything in order waits for nothing; a thousand of them would be one turn.
      await this.#slices.pause();
    }
  }

  async #process(key: string, hardStop: AbortSignal): Promise<void> {
    const reconcileId = (this.#options.randomId ?? randomUUID)();
    const logger = this.#logger.child({ ...refOfKey(key), reconcileId });
    const timeoutMs = (this.#options.reconcileTimeoutSeconds ?? 60) * 1000;
    const lifeline = new Lifeline(this.#clock, timeoutMs, hardStop);
    const startedMs = this.#clock.nowMs();
    let outcome: ReconcileOutcome | undefined;
    try {
      const result = await this.#options.reconcile(key, lifeline.signal, { reconcileId, logger });
      outcome = this.#succeeded(key, result ?? {});
    } catch (error) {
      // What a stop has cut short is neither a success nor a failure; the next start looks at every key.
      outcome = hardStop.aborted ? undefined : this.#failed(key, error, logger);
    } finally {
      lifeline.end();
    }
    if (outcome !== undefined) this.#report(outcome, lifeline.timedOut, (this.#clock.nowMs() - startedMs) / 1000);
  }

  #succeeded(key: string, { requeueAfterSeconds }: ReconcileResult): ReconcileOutcome {
    this.#queue.forget(key);
    if (requeueAfterSeconds === undefined) return "success";
    this.#queue.addAfter(key, requeueAfterSeconds * 1000);
    return "requeue_after";
  }

  #failed(key: string, error: unknown, logger: Logger): ReconcileOutcome {
    if (error instanceof TerminalError) {
      this.#queue.forget(key);
      logger.error({ err: error }, "reconcile failed; nothing is tried until something changes");
      return "terminal_error";
    }
    this.#queue.addRateLimited(key);
    if (isConflict(error)) {
      logger.debug({ err: error }, "the view was out of date; it is repeated");
      return "conflict";
    }
    logger.error({ err: error, retries: this.#queue.retries(key) }, "reconcile failed; it is repeated");
    return "error";
  }

  #report(outcome: ReconcileOutcome, timedOut: boolean, seconds: number): void {
    const { metrics, name } = this.#options;
    const labels = { controller: name };
    const failed = outcome === "error" || outcome === "terminal_error";
    metrics.count("controller_runtime_reconcile_total", { controller: name, result: resultOf[outcome] }, 1);
    metrics.observe("controller_runtime_reconcile_time_seconds", labels, seconds);
    if (failed) metrics.count("controller_runtime_reconcile_errors_total", labels, 1);
    if (outcome === "terminal_error") metrics.count("controller_runtime_terminal_reconcile_errors_total", labels, 1);
    if (timedOut) metrics.count("controller_runtime_reconcile_timeouts_total", labels, 1);
  }

  #activeChanged(by: number): void {
    this.#active += by;
    this.#options.metrics.set("controller_runtime_active_workers", { controller: this.#options.name }, this.#active);
  }
}
