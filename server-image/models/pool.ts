// The workers that run one model: hands runs to idle ones, replaces those that die, notices runs that never end.

import { setTimeout as startTimer } from "node:timers";
import { setTimeout } from "node:timers/promises";

import type { Log } from "../log.ts";
import type { Runner, RunRequest, RunResult } from "./runner.ts";
import type { SessionSettings } from "./runtime.ts";
import type { Readiness } from "./served-model.ts";
import { type SessionInterface, WorkerHandle } from "./worker-handle.ts";

const WORKER_SCRIPT = new URL("./worker.ts", import.meta.url);
const FIRST_RESTART_DELAY_MS = 100;
const LAST_RESTART_DELAY_MS = 30_000;

/** So many workers lost without a single run in between: it is not bad luck. */
const FAILURES_UNTIL_UNREADY = 3;
/** An unready pod gets no requests by which it could show that it works again: after so long without a failure it may. */
const FORGET_FAILURES_MS = 60_000;

export interface PoolOptions extends SessionSettings {
  readonly workers: number;
  /** A run that takes longer is taken for one that never ends. */
  readonly runTimeoutMs: number;
  readonly log: Log;
  /** Called once for a run beyond its limit: a thread cannot be stopped during a run, only the process can. */
  readonly onStuckRun: () => void;
  /** Another script than the real worker, for tests. */
  readonly script?: URL;
}

export class WorkerPool implements Runner {
  readonly movesInputs = true;
  readonly #options: PoolOptions;
  readonly #workers = new Set<WorkerHandle>();
  readonly #idle: WorkerHandle[] = [];
  readonly #stop = new AbortController();
  #restartDelayMs = FIRST_RESTART_DELAY_MS;
  #failures = 0;
  #forgetting: NodeJS.Timeout | undefined;
  /** Called when a worker becomes idle. */
  onIdle: (() => void) | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Loads the model in every worker; rejects with the first LoadError. */
  async start(): Promise<SessionInterface> {
    const starts = Array.from({ length: this.#options.workers }, () => this.#addWorker());
    const [first] = await Promise.all(starts);
    if (first === undefined) {
      throw new Error("a pool needs at least one worker");
    }
    return first;
  }

  get parallelRuns(): number {
    return this.#options.workers;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  get readiness(): Readiness {
    if (this.readyCount === 0) {
      return { ready: false, reason: "no worker has the model loaded" };
    }
    return this.#failures < FAILURES_UNTIL_UNREADY
      ? { ready: true }
      : { ready: false, reason: `the model's workers failed ${this.#failures} times in a row` };
  }

  /** Workers that have the model loaded, idle or not. */
  get readyCount(): number {
    return this.#idle.length + [...this.#workers].filter(({ busy }) => busy).length;
  }

  /** Runs on an idle worker; call it only when `idleCount` > 0. Rejects as WorkerHandle.run does. */
  async run(request: RunRequest): Promise<RunResult> {
    const worker = this.#idle.pop();
    if (worker === undefined) {
      throw new Error("no worker is idle");
    }
    const timer = startTimer(this.#options.onStuckRun, this.#options.runTimeoutMs);
    try {
      const result = await worker.run(request);
      this.#restartDelayMs = FIRST_RESTART_DELAY_MS;
      this.#failures = 0;
      return result;
    } finally {
      clearTimeout(timer);
      this.#becomeIdle(worker);
    }
  }

  /** Ends all workers, each as soon as it is idle. Replaces none from now on. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
  }

  #becomeIdle(worker: WorkerHandle): void {
    if (worker.alive && !this.#stop.signal.aborted) {
      this.#idle.push(worker);
      this.onIdle?.();
    }
  }

  async #addWorker(): Promise<SessionInterface> {
    const { modelPath, threads, executionProvider, script = WORKER_SCRIPT } = this.#options;
    const worker = new WorkerHandle(script, { modelPath, threads, executionProvider });
    this.#workers.add(worker);
    void worker.ended.then(() => this.#forget(worker));
    const session = await worker.loaded;
    void worker.ended.then(() => this.#replace());
    this.#becomeIdle(worker);
    return session;
  }

  #forget(worker: WorkerHandle): void {
    this.#workers.delete(worker);
    const index = this.#idle.indexOf(worker);
    if (index >= 0) {
      this.#idle.splice(index, 1);
    }
  }

  async #replace(): Promise<void> {
    const { signal } = this.#stop;
    this.#failures += 1;
    clearTimeout(this.#forgetting);
    this.#forgetting = startTimer(() => {
      this.#failures = 0;
    }, FORGET_FAILURES_MS).unref();
    while (!signal.aborted) {
      const delayMs = this.#restartDelayMs;
      this.#restartDelayMs = Math.min(delayMs * 2, LAST_RESTART_DELAY_MS);
      this.#options.log.error({ delayMs }, "a model worker ended unexpectedly; replacing it");
      await setTimeout(delayMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted && (await this.#restarted())) {
        return;
      }
    }
  }

  async #restarted(): Promise<boolean> {
    try {
      await this.#addWorker();
      return true;
    } catch (err) {
      this.#options.log.error({ err }, "a replaced model worker could not load the model");
      return false;
    }
  }
}
