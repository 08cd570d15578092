// A model as the protocols see it, whichever thread holds its queue: readiness, description, inference, figures.

import type { Cancellation } from "../cancellation.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import type { ModelMetadata } from "./metadata.ts";
import type { ModelStatistics } from "./statistics.ts";

/** Whether requests can be answered, and if not, why in words for people. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Fits the model's metadata (see check-request.ts). */
export interface InferenceRequest {
  readonly inputs: readonly Tensor[];
  readonly outputNames: readonly string[];
  /** Lower numbers go first, as in Triton; 0 or left out: the default, after all that were given a number. */
  readonly priority?: number | undefined;
  /** From now; the answer is worth nothing later, so the request leaves the queue then, or is refused at once. */
  readonly timeoutMs?: number | undefined;
}

export interface InferenceResult {
  /** In the order of `outputNames`. */
  readonly outputs: readonly Tensor[];
}

/** How a loaded model is run. */
export interface ExecutionPlan {
  readonly executionProvider: ExecutionProvider;
  /** Copies of the model, each on a thread of its own. */
  readonly workers: number;
  /** Threads of one run. */
  readonly threadsPerWorker: number;
  /** True where the model is so fast that it runs on the threads that do the I/O, without workers. */
  readonly inline: boolean;
  /** Threads that read requests and write answers. */
  readonly ioThreads: number;
  /** Whether requests may be joined on the first axis: proved at warm-up. */
  readonly batchable: boolean;
  /** Most rows in one run of joined requests; 1 where requests are not joined. */
  readonly maxBatchSize: number;
  /** Longest wait for more requests to join, where one was asked for; usually 0. */
  readonly batchDelayMs: number;
}

export const EXECUTION_PROVIDERS = ["cpu", "cuda"] as const;
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

export interface ServedModel {
  readonly name: string;
  readonly readiness: Readiness;
  /** Names that stand for the loaded version in TensorFlow Serving's paths. */
  readonly versionLabels: readonly string[];
  /** Throws `UNAVAILABLE` before the model is loaded. */
  readyMetadata(): ModelMetadata;
  /** Throws `UNAVAILABLE` before the model is loaded. */
  readyPlan(): ExecutionPlan;
  /** Throws `UNAVAILABLE` where `infer` would right now: asked before the cost of reading a body. */
  admit(): void;
  /** Rejects with an InferenceError. */
  infer(request: InferenceRequest, cancellation: Cancellation): Promise<InferenceResult>;
  /** Of all threads together. */
  statistics(): Promise<ModelStatistics>;
}
