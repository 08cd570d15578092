// What the main thread and the other I/O threads ask each other, and what an I/O thread is given at its start.

import type { Config } from "../config.ts";
import type { SeriesSnapshot } from "../metrics.ts";
import type { ModelMetadata } from "../models/metadata.ts";
import type { ExecutionPlan, InferenceRequest, InferenceResult, Readiness } from "../models/served-model.ts";
import type { ModelStatistics } from "../models/statistics.ts";

export interface IoThreadSettings {
  /** From 1 on; the main thread is 0. */
  readonly thread: number;
  readonly threads: number;
  readonly board: SharedArrayBuffer;
  readonly port: number;
  readonly grpcPort: number;
  readonly config: Config;
  readonly metadata: ModelMetadata;
  readonly plan: ExecutionPlan;
  readonly modelPath: string;
}

/** Asked of an I/O thread. */
export type ThreadCalls = {
  /** Its part of the figures of the process. */
  readonly collect: { readonly ask: undefined; readonly answer: ThreadFigures };
  /** Ends each connection with its next answer. */
  readonly drain: { readonly ask: undefined; readonly answer: undefined };
  /** Answered when all requests are. */
  readonly close: { readonly ask: undefined; readonly answer: undefined };
  /** Tells that the readiness has changed. */
  readonly readiness: { readonly ask: Readiness; readonly answer: undefined };
};

export interface ThreadFigures {
  readonly series: SeriesSnapshot;
  readonly statistics: ModelStatistics;
  readonly queueDepth: number;
}

/** Asked of the main thread. */
export type MainCalls = {
  /** The thread takes connections. */
  readonly listening: { readonly ask: undefined; readonly answer: undefined };
  readonly renderMetrics: { readonly ask: undefined; readonly answer: string };
  readonly statistics: { readonly ask: undefined; readonly answer: ModelStatistics };
  readonly calibration: { readonly ask: undefined; readonly answer: string | undefined };
  /** Where the model runs on workers: their queue is the main thread's. */
  readonly infer: { readonly ask: RemoteInference; readonly answer: InferenceResult };
  readonly cancel: { readonly ask: number; readonly answer: undefined };
};

export interface RemoteInference {
  /** Of the asking thread, for `cancel`. */
  readonly number: number;
  readonly request: InferenceRequest;
}
