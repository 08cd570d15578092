// A loaded model with its queue: what the protocols talk to once there is something to talk to.

import type { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import type { Batcher } from "./batcher.ts";
import type { ModelMetadata } from "./metadata.ts";
import type { ExecutionPlan, InferenceRequest, InferenceResult, Readiness, ServedModel } from "./served-model.ts";
import type { ModelStatistics, StatisticsRecorder } from "./statistics.ts";

export interface ReadyModelParts {
  readonly metadata: ModelMetadata;
  readonly plan: ExecutionPlan;
  readonly batcher: Batcher;
  readonly statistics: StatisticsRecorder;
  /** Where other threads run the model as well: the figures of all of them together. */
  readonly allStatistics?: () => Promise<ModelStatistics>;
  readonly versionLabels: readonly string[];
  readonly readiness: () => Readiness;
}

export class ReadyModel implements ServedModel {
  readonly #parts: ReadyModelParts;

  constructor(parts: ReadyModelParts) {
    this.#parts = parts;
  }

  get name(): string {
    return this.#parts.metadata.name;
  }

  get versionLabels(): readonly string[] {
    return this.#parts.versionLabels;
  }

  get readiness(): Readiness {
    return this.#parts.readiness();
  }

  get batcher(): Batcher {
    return this.#parts.batcher;
  }

  readyMetadata(): ModelMetadata {
    return this.#parts.metadata;
  }

  readyPlan(): ExecutionPlan {
    return this.#parts.plan;
  }

  admit(): void {
    const { readiness } = this;
    if (!readiness.ready) {
      throw new InferenceError("UNAVAILABLE", readiness.reason);
    }
    const refusal = this.batcher.refusal();
    if (refusal !== undefined) {
      throw refusal;
    }
  }

  infer(request: InferenceRequest, cancellation: Cancellation): Promise<InferenceResult> {
    const { readiness } = this;
    return readiness.ready
      ? this.batcher.infer(request, cancellation)
      : Promise.reject(new InferenceError("UNAVAILABLE", readiness.reason));
  }

  async statistics(): Promise<ModelStatistics> {
    const { statistics, allStatistics } = this.#parts;
    return allStatistics?.() ?? statistics.snapshot();
  }
}
