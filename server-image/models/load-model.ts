// From a model's file to something that runs it: loads it, calibrates, and decides how it is run from then on.

import type { Log } from "../log.ts";
import type { FetchedModel } from "../storage/model-file.ts";
import type { Datatype, Tensor } from "../tensors/datatypes.ts";
import { type Calibration, type CalibrationOptions, calibrate, warmUp } from "./calibration.ts";
import { mayHaveControlFlow } from "./control-flow.ts";
import { InlineRunner } from "./inline-runner.ts";
import { type ModelMetadata, PLATFORM, toTensorSpec } from "./metadata.ts";
import { type PoolOptions, WorkerPool } from "./pool.ts";
import type { Runner } from "./runner.ts";
import type { ExecutionPlan, ExecutionProvider, Readiness } from "./served-model.ts";
import { firstSplit, type Split } from "./splits.ts";
import type { SessionInterface } from "./worker-handle.ts";

export interface LoadOptions
  extends Pick<
    CalibrationOptions,
    "usableThreads" | "workers" | "threadsPerWorker" | "maxBatchSize" | "latencyBoundMs" | "budgetMs" | "clock" | "draw"
  > {
  readonly name: string;
  readonly executionProvider: ExecutionProvider;
  readonly batchDelayMs: number;
  /** Undefined: as many as the CPUs allow where the I/O threads run the model, else 1. */
  readonly ioThreads: number | undefined;
  /** Bytes that the process may use; undefined: no limit. */
  readonly memoryLimitBytes: number | undefined;
  /** What an earlier replica found out, where it holds for this one. */
  readonly earlier: Calibration | undefined;
  readonly memoryBytes: () => number;
  readonly cpuSeconds: () => number;
  readonly throttledPeriods: () => number | undefined;
  readonly pool: Pick<PoolOptions, "runTimeoutMs" | "onStuckRun" | "script">;
  readonly log: Log;
}

export interface OpenedModel {
  readonly metadata: ModelMetadata;
  readonly pool: WorkerPool;
  readonly split: Split;
  readonly loadMs: number;
  readonly loadBytes: number;
}

export interface LoadedModel {
  readonly metadata: ModelMetadata;
  readonly plan: ExecutionPlan;
  readonly calibration: Calibration;
  /** Outputs of a run of one row; empty where there was none. */
  readonly sampleOutputs: readonly Tensor[];
  readonly runner: Runner;
  readonly readiness: () => Readiness;
  /** Sets what is called when the runner becomes idle. */
  readonly onIdle: (listener: () => void) => void;
  readonly stop: () => Promise<void>;
}

/** The whole process stands still while a thread that does I/O loads a model, so only what loads fast may run there. */
const MAX_INLINE_LOAD_MS = 250;

const INLINE_DATATYPES: ReadonlySet<Datatype> = new Set(["FP16", "FP32", "FP64"]);

/** Of the memory limit; the rest is for requests and answers. */
const MEMORY_SHARE = 0.8;

/** Starts the first workers. Rejects with a LoadError. */
export async function openModel(file: FetchedModel, options: LoadOptions): Promise<OpenedModel> {
  const split = options.earlier ?? firstSplit(options);
  const [startedAtMs, bytesBefore] = [options.clock(), options.memoryBytes()];
  const pool = new WorkerPool(poolOptions(file, split, options));
  const session = await pool.start().catch(async (error: unknown) => {
    await pool.stop();
    throw error;
  });
  const loadMs = options.clock() - startedAtMs;
  const loadBytes = Math.max(0, options.memoryBytes() - bytesBefore) / split.workers;
  try {
    return { metadata: describe(session, file, options), pool, split, loadMs, loadBytes };
  } catch (error) {
    await pool.stop();
    throw error;
  }
}

/** Warms the model up, calibrates it, and settles how it is run. */
export async function settleModel(file: FetchedModel, opened: OpenedModel, options: LoadOptions): Promise<LoadedModel> {
  const { metadata, loadMs, loadBytes } = opened;
  const open = async (split: Split) => {
    const pool = new WorkerPool(poolOptions(file, split, options));
    await pool.start();
    return pool;
  };
  const {
    calibration,
    sampleOutputs,
    runner: pool,
  } = options.earlier === undefined
    ? await calibrate(
        metadata,
        {
          ...options,
          loadMs,
          maxWorkers: (bytes) => maxWorkers(bytes, loadBytes, options.memoryLimitBytes),
          open,
        },
        opened.pool,
      )
    : await asEarlier(options.earlier, opened, options);
  const inline = await runsInline(file.path, opened, calibration, options);
  const plan = makePlan(calibration, inline, options);
  options.log.info({ ...plan, provisional: calibration.provisional }, "calibrated");
  if (!inline) {
    return {
      metadata,
      plan,
      calibration,
      sampleOutputs,
      runner: pool,
      readiness: () => pool.readiness,
      onIdle: (listener) => {
        pool.onIdle = listener;
      },
      stop: () => pool.stop(),
    };
  }
  await pool.stop();
  const inlineRunner = await openInline(file.path, options.executionProvider);
  return {
    metadata,
    plan,
    calibration,
    sampleOutputs,
    runner: inlineRunner,
    readiness: () => ({ ready: true }),
    onIdle: () => undefined,
    stop: async () => undefined,
  };
}

/** Skips the search: only warms up. */
async function asEarlier(calibration: Calibration, { metadata, pool }: OpenedModel, { draw }: LoadOptions) {
  if (calibration.shapes !== undefined) {
    await warmUp(metadata, calibration.shapes, pool, draw);
  }
  return { calibration, sampleOutputs: [], runner: pool };
}

/** A session on the calling thread. */
export async function openInline(modelPath: string, executionProvider: ExecutionProvider): Promise<InlineRunner> {
  // Loaded only here: the thread that does the I/O needs onnxruntime in this case alone.
  const { openSession } = await import("./runtime.ts");
  return new InlineRunner(openSession({ modelPath, threads: 1, executionProvider }));
}

function describe(session: SessionInterface, file: FetchedModel, { name }: LoadOptions): ModelMetadata {
  return {
    name,
    version: file.version,
    platform: PLATFORM,
    inputs: session.inputs.map((value) => toTensorSpec(value, "input")),
    outputs: session.outputs.map((value) => toTensorSpec(value, "output")),
  };
}

function poolOptions(file: FetchedModel, split: Split, options: LoadOptions): PoolOptions {
  return {
    modelPath: file.path,
    executionProvider: options.executionProvider,
    workers: split.workers,
    threads: split.threadsPerWorker,
    log: options.log,
    ...options.pool,
  };
}

function maxWorkers(bytes: number, bytesPerWorker: number, limit: number | undefined): number {
  if (limit === undefined || bytesPerWorker === 0) {
    return Number.POSITIVE_INFINITY;
  }
  // The first copy is part of what is in use.
  return 1 + Math.max(0, Math.floor((MEMORY_SHARE * limit - bytes) / bytesPerWorker));
}

/**
 * A run on an I/O thread holds up everybody, and nothing could end it. So its length must follow from the number of rows
 * alone: no loops, no dimension that clients choose but the first, and no integers, which may be sizes or counts. A user
 * who asks for workers, or for a GPU, gets them.
 */
async function runsInline(
  modelFile: string,
  { metadata, loadMs }: OpenedModel,
  { runTimes, hopSeconds }: Calibration,
  { workers, executionProvider }: LoadOptions,
): Promise<boolean> {
  const [single] = runTimes;
  const isShort = single !== undefined && single.seconds < hopSeconds && loadMs < MAX_INLINE_LOAD_MS;
  const isPlain = metadata.inputs.every(
    ({ datatype, shape }) => INLINE_DATATYPES.has(datatype) && shape.slice(1).every((size) => size >= 0),
  );
  return (
    isShort && isPlain && workers === undefined && executionProvider === "cpu" && !(await mayHaveControlFlow(modelFile))
  );
}

function makePlan(calibration: Calibration, inline: boolean, options: LoadOptions): ExecutionPlan {
  const ioThreads = options.ioThreads ?? (inline ? options.usableThreads : 1);
  return {
    executionProvider: options.executionProvider,
    workers: inline ? ioThreads : calibration.workers,
    threadsPerWorker: inline ? 1 : calibration.threadsPerWorker,
    inline,
    ioThreads,
    batchable: calibration.batchable,
    maxBatchSize: calibration.maxBatchSize,
    batchDelayMs: options.batchDelayMs,
  };
}
