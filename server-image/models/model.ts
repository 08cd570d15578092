// One served model from nothing to ready and back: fetch, load, warm up and calibrate, answer, stop.

import { rm, stat } from "node:fs/promises";

import type { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import { LoadError, type LoadPhase } from "../load-error.ts";
import type { FetchedModel } from "../storage/model-file.ts";
import type { RunObserver } from "./batcher.ts";
import { type CalibrationBasis, readCalibration, type StoredCalibration } from "./calibration-text.ts";
import type { Saturation } from "./load-line.ts";
import { type LoadedModel, type LoadOptions, type OpenedModel, openModel, settleModel } from "./load-model.ts";
import { type BatcherSettings, makeBatcher } from "./make-batcher.ts";
import type { ModelMetadata } from "./metadata.ts";
import { ReadyModel } from "./ready-model.ts";
import { randomInputs } from "./sample-inputs.ts";
import type { ExecutionPlan, InferenceRequest, InferenceResult, Readiness, ServedModel } from "./served-model.ts";
import { addStatistics, type ModelStatistics, StatisticsRecorder } from "./statistics.ts";

/** Told how long each phase of the start took. */
export interface LoadObserver {
  observeLoad(phase: LoadPhase, seconds: number): void;
}

export interface ModelOptions
  extends Omit<BatcherSettings, "statistics" | "observer">,
    Omit<LoadOptions, "earlier" | "budgetMs"> {
  readonly versionLabels: readonly string[];
  /** Whether a model may run on the CPU where the GPU that was meant for it cannot be used. */
  readonly allowCpuFallback: boolean;
  /** For the whole of the calibration, the I/O's part included. */
  readonly calibrationMs: number;
  /** JSON that an earlier replica has published. */
  readonly givenCalibration: string | undefined;
  readonly serverVersion: string;
  readonly observer: RunObserver & LoadObserver;
  readonly measureIo: MeasureIo;
  /** Of the other threads that run the model. */
  readonly otherStatistics: () => Promise<readonly ModelStatistics[]>;
  /** Called when all is there but the readiness, which waits for it. */
  readonly beforeReady?: (loaded: LoadedModel, file: FetchedModel) => Promise<void>;
}

/**
 * Measures the CPU seconds that a request costs an I/O thread, by protocol, with requests to a model of its own that
 * answers like the real one.
 */
export type MeasureIo = (probe: IoProbe) => Promise<IoFigures>;

export interface IoFigures {
  readonly ioCpuSeconds: Readonly<Record<string, number>>;
  /** Of workers and I/O together; undefined where the I/O threads run the model, or where requests failed. */
  readonly saturation?: Saturation | undefined;
}

export interface IoProbe {
  readonly loaded: LoadedModel;
  /** One request of one row. */
  readonly request: InferenceRequest;
  /** By the clock; the end of the whole calibration. */
  readonly deadlineMs: number;
}

/** The I/O's part of the calibration's time; what the runs leave of theirs goes to the I/O as well. */
const IO_SHARE = 0.4;

export class Model implements ServedModel {
  readonly name: string;
  readonly versionLabels: readonly string[];
  readonly #options: ModelOptions;
  readonly #statistics = new StatisticsRecorder();
  #phase: LoadPhase = "download";
  #file: FetchedModel | undefined;
  #opened: OpenedModel | undefined;
  #loaded: LoadedModel | undefined;
  #ready: ReadyModel | undefined;
  #stored: StoredCalibration | undefined;

  constructor(options: ModelOptions) {
    this.name = options.name;
    this.versionLabels = options.versionLabels;
    this.#options = options;
  }

  get readiness(): Readiness {
    return this.#ready?.readiness ?? { ready: false, reason: `model is starting: ${this.#phase}` };
  }

  /** Accepted requests that do not run yet, of this thread. */
  get queueDepth(): number {
    return this.#ready?.batcher.queueDepth ?? 0;
  }

  /** Accepted requests without a result, of this thread. */
  get inFlight(): number {
    return this.#ready?.batcher.inFlight ?? 0;
  }

  /** Since when requests have been waiting without a break, by the clock; undefined while none waits. */
  get backlogSinceMs(): number | undefined {
    return this.#ready?.batcher.backlogSinceMs;
  }

  /** What was measured at the start; undefined before. */
  get calibration(): StoredCalibration | undefined {
    return this.#stored;
  }

  /** Gets the model ready; rejects with a LoadError, or with the reason of an abort. @param signal heeded between phases */
  async load(fetch: () => Promise<FetchedModel>, signal: AbortSignal): Promise<void> {
    const { versionLabels } = this.#options;
    const file = await this.#timed("download", fetch);
    this.#file = file;
    signal.throwIfAborted();
    const [opened, options] = await this.#timed("load", () => this.#open(file));
    this.#opened = opened;
    signal.throwIfAborted();
    const loaded = await this.#timed("warm-up", () => this.#settle(file, opened, options));
    this.#loaded = loaded;
    signal.throwIfAborted();
    const statistics = this.#statistics;
    const { metadata, plan, runner, calibration, readiness } = loaded;
    const batcher = makeBatcher(runner, plan, { ...this.#options, statistics });
    for (const { rows, seconds } of calibration.runTimes) {
      batcher.learnRunTime(rows, seconds);
    }
    loaded.onIdle(() => batcher.dispatch());
    await this.#options.beforeReady?.(loaded, file);
    this.#ready = new ReadyModel({ metadata, plan, batcher, statistics, versionLabels, readiness });
  }

  readyMetadata(): ModelMetadata {
    return this.#requireReady().readyMetadata();
  }

  readyPlan(): ExecutionPlan {
    return this.#requireReady().readyPlan();
  }

  admit(): void {
    this.#requireReady().admit();
  }

  infer(request: InferenceRequest, cancellation: Cancellation): Promise<InferenceResult> {
    return this.#ready === undefined ? Promise.reject(this.#notReady()) : this.#ready.infer(request, cancellation);
  }

  async statistics(): Promise<ModelStatistics> {
    return addStatistics([this.ownStatistics(), ...(await this.#options.otherStatistics())]);
  }

  /** Of what runs on this thread's queue. */
  ownStatistics(): ModelStatistics {
    return this.#statistics.snapshot();
  }

  /** Waits for what runs, then ends the workers and deletes what was downloaded. */
  async stop(): Promise<void> {
    await this.#loaded?.stop();
    await this.#opened?.pool.stop();
    if (this.#file?.temporaryPath !== undefined) {
      await rm(this.#file.temporaryPath, { recursive: true, force: true });
    }
  }

  #requireReady(): ReadyModel {
    if (this.#ready === undefined) {
      throw this.#notReady();
    }
    return this.#ready;
  }

  #notReady(): InferenceError {
    return new InferenceError("UNAVAILABLE", `model is starting: ${this.#phase}`);
  }

  /** On the GPU where it should run there; on the CPU instead only where that was allowed. */
  async #open(file: FetchedModel): Promise<[OpenedModel, LoadOptions]> {
    const { executionProvider, allowCpuFallback, log } = this.#options;
    const options = await this.#loadOptions(file, executionProvider);
    if (executionProvider === "cpu") {
      return [await openModel(file, options), options];
    }
    try {
      return [await openModel(file, options), options];
    } catch (error) {
      if (!(error instanceof LoadError)) {
        throw error;
      }
      if (!allowCpuFallback) {
        const message = `the model cannot run on the GPU (--execution-provider): ${error.message}`;
        throw new LoadError("load", "EXECUTION_PROVIDER_UNAVAILABLE", message, { cause: error });
      }
      log.warn({ reason: error.message }, "the GPU cannot be used; running on the CPU, as was allowed");
      const onCpu = await this.#loadOptions(file, "cpu");
      return [await openModel(file, onCpu), onCpu];
    }
  }

  async #loadOptions(file: FetchedModel, executionProvider: ExecutionPlan["executionProvider"]): Promise<LoadOptions> {
    const { givenCalibration, calibrationMs, serverVersion, usableThreads, log } = this.#options;
    const options = {
      ...this.#options,
      executionProvider,
      budgetMs: calibrationMs * (1 - IO_SHARE),
    };
    const { size: modelBytes } = await stat(file.path).catch(() => ({ size: 0 }));
    const basis = { serverVersion, modelBytes, usableThreads, executionProvider };
    this.#basis = basis;
    const earlier = givenCalibration === undefined ? undefined : readCalibration(givenCalibration, basis);
    if (typeof earlier === "string") {
      log.warn({ reason: earlier }, "the given calibration does not hold here; measuring anew");
      return { ...options, earlier: undefined };
    }
    this.#stored = earlier;
    return { ...options, earlier: earlier?.calibration };
  }

  #basis: CalibrationBasis | undefined;

  async #settle(file: FetchedModel, opened: OpenedModel, options: LoadOptions): Promise<LoadedModel> {
    const { calibrationMs, clock } = this.#options;
    const deadlineMs = clock() + calibrationMs;
    const loaded = await settleModel(file, opened, options);
    if (this.#stored === undefined && this.#basis !== undefined) {
      const figures = await this.#measureIo(loaded, deadlineMs);
      this.#stored = { basis: this.#basis, calibration: loaded.calibration, ...figures };
    }
    return loaded;
  }

  async #measureIo(loaded: LoadedModel, deadlineMs: number): Promise<IoFigures> {
    const { measureIo, calibrationMs, draw } = this.#options;
    const { metadata, calibration } = loaded;
    if (calibration.shapes === undefined || calibrationMs === 0) {
      return { ioCpuSeconds: {} };
    }
    const request = {
      inputs: randomInputs(metadata.inputs, calibration.shapes, draw),
      outputNames: metadata.outputs.map(({ name }) => name),
    };
    return measureIo({ loaded, request, deadlineMs });
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
