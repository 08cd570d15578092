// One served model from nothing to ready and back: fetch, load, warm up, answer, stop.

import { rm } from "node:fs/promises";

import type { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import type { LoadPhase } from "../load-error.ts";
import type { Log } from "../log.ts";
import type { FetchedModel } from "../storage/model-file.ts";
import { Batcher, type BatcherOptions, queueFull, type RunObserver } from "./batcher.ts";
import { type ModelMetadata, PLATFORM, toTensorSpec } from "./metadata.ts";
import { WorkerPool } from "./pool.ts";
import { warmUp } from "./warm-up.ts";
import type { ExecutionPlan, InferenceRequest, InferenceResult, Readiness, ServedModel } from "./served-model.ts";
import type { ModelStatistics } from "./statistics.ts";
import type { RunRequest } from "./worker-handle.ts";

/** Told how long each phase of the start took. */
export interface LoadObserver {
  observeLoad(phase: LoadPhase, seconds: number): void;
}

export interface ModelOptions extends Pick<BatcherOptions, "maxQueueLength" | "requestTimeoutMs" | "clock"> {
  readonly name: string;
  readonly workers: number;
  readonly threadsPerWorker: number;
  readonly runTimeoutMs: number;
  readonly observer: RunObserver & LoadObserver;
  readonly onStuckRun: () => void;
  readonly log: Log;
  /** Another worker script than the real one, for tests. */
  readonly workerScript?: URL;
}

export class Model implements ServedModel {
  readonly name: string;
  readonly versionLabels: readonly string[] = [];
  readonly #options: ModelOptions;
  #phase: LoadPhase = "download";
  #file: FetchedModel | undefined;
  #metadata: ModelMetadata | undefined;
  #pool: WorkerPool | undefined;
  #batcher: Batcher | undefined;

  constructor(options: ModelOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get readiness(): Readiness {
    if (this.#batcher === undefined || this.#pool === undefined) {
      return { ready: false, reason: `model is starting: ${this.#phase}` };
    }
    return this.#pool.readyCount > 0 ? { ready: true } : { ready: false, reason: "no worker has the model loaded" };
  }

  /** Accepted requests that do not run yet. */
  get queueDepth(): number {
    return this.#batcher?.queueDepth ?? 0;
  }

  /** Accepted requests without a result. */
  get inFlight(): number {
    return this.#batcher?.inFlight ?? 0;
  }

  /** Gets the model ready; rejects with a LoadError, or with the reason of an abort during `fetch`. */
  async load(fetch: () => Promise<FetchedModel>): Promise<void> {
    const { log, name, workers, threadsPerWorker, runTimeoutMs, onStuckRun, workerScript } = this.#options;
    const file = await this.#timed("download", fetch);
    this.#file = file;
    const pool = new WorkerPool({
      modelPath: file.path,
      workers,
      threads: threadsPerWorker,
      runTimeoutMs,
      log,
      onStuckRun,
      onIdle: () => this.#batcher?.dispatch(),
      ...(workerScript === undefined ? {} : { script: workerScript }),
    });
    this.#pool = pool;
    const session = await this.#timed("load", () => pool.start());
    const inputs = session.inputs.map((value) => toTensorSpec(value, "input"));
    const outputs = session.outputs.map((value) => toTensorSpec(value, "output"));
    const metadata = { name, version: file.version, platform: PLATFORM, inputs, outputs };
    this.#metadata = metadata;
    const result = await this.#timed("warm-up", () => warmUp(pool, workers, metadata));
    if (!result.warm) {
      log.warn({ reason: result.reason }, "no warm-up run: the first requests will take longer");
    }
    this.#batcher = new Batcher(pool, this.#options);
  }

  /** Throws `UNAVAILABLE` before the model is loaded. */
  readyMetadata(): ModelMetadata {
    if (this.#metadata === undefined) {
      throw new InferenceError("UNAVAILABLE", `model is starting: ${this.#phase}`);
    }
    return this.#metadata;
  }

  readyPlan(): ExecutionPlan {
    throw new Error("not yet");
  }

  async statistics(): Promise<ModelStatistics> {
    throw new Error("not yet");
  }

  /** Throws `UNAVAILABLE` where `infer` would right now: asked before the cost of reading a body. */
  admit(): void {
    this.#readyBatcher();
  }

  /** Rejects with an InferenceError: see Batcher.infer. The request must fit the metadata (see check-request.ts). */
  async infer(request: InferenceRequest, cancellation: Cancellation): Promise<InferenceResult> {
    return this.#readyBatcher().infer(request, this.#rows(request), cancellation);
  }

  /** Waits for what runs, then ends the workers and deletes what was downloaded. */
  async stop(): Promise<void> {
    await this.#pool?.stop();
    if (this.#file?.temporaryPath !== undefined) {
      await rm(this.#file.temporaryPath, { recursive: true, force: true });
    }
  }

  #readyBatcher(): Batcher {
    const { readiness } = this;
    if (!readiness.ready) {
      throw new InferenceError("UNAVAILABLE", readiness.reason);
    }
    if (this.#batcher === undefined || this.#batcher.isFull) {
      throw queueFull();
    }
    return this.#batcher;
  }

  /** The size of the first dimension that the model lets vary first, which is how models declare a batch. */
  #rows(request: RunRequest): number {
    const batched = this.#metadata?.inputs.find(({ shape }) => shape[0] === -1);
    return request.inputs.find(({ name }) => name === batched?.name)?.shape[0] ?? 1;
  }

  async #timed<T>(phase: LoadPhase, work: () => Promise<T>): Promise<T> {
    const { clock, observer, log } = this.#options;
    this.#phase = phase;
    const startedAt = clock();
    const result = await work();
    const seconds = (clock() - startedAt) / 1000;
    observer.observeLoad(phase, seconds);
    log.info({ phase, seconds }, "model start phase done");
    return result;
  }
}
