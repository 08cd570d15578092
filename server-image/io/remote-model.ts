// The model as an I/O thread sees it when its queue is on the main thread: requests go there and results come back.

import type { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import type { ModelMetadata } from "../models/metadata.ts";
import type {
  ExecutionPlan,
  InferenceRequest,
  InferenceResult,
  Readiness,
  ServedModel,
} from "../models/served-model.ts";
import type { ModelStatistics } from "../models/statistics.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import type { MainCalls, RemoteInference, ThreadCalls } from "./thread-calls.ts";
import type { ThreadLink } from "./thread-link.ts";

export interface RemoteModelParts {
  readonly link: Pick<ThreadLink<MainCalls, ThreadCalls>, "ask">;
  readonly metadata: ModelMetadata;
  readonly plan: ExecutionPlan;
  readonly versionLabels: readonly string[];
  /** The main thread's, as last told. */
  readonly readiness: () => Readiness;
}

export class RemoteModel implements ServedModel {
  readonly #parts: RemoteModelParts;
  #lastNumber = 0;

  constructor(parts: RemoteModelParts) {
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
  }

  async infer(request: InferenceRequest, cancellation: Cancellation): Promise<InferenceResult> {
    if (cancellation.cancelled) {
      throw new InferenceError("CANCELLED", "the client closed the connection");
    }
    const { link } = this.#parts;
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    cancellation.listen(() => void link.ask("cancel", number));
    const inputs = request.inputs.map(movable);
    const result = link.ask("infer", { number, request: { ...request, inputs } }, memoryOf(inputs));
    return result;
  }

  async statistics(): Promise<ModelStatistics> {
    return this.#parts.link.ask("statistics", undefined);
  }
}

/** Answers the requests of the other I/O threads on the main thread. */
export class RemoteInferences {
  readonly #model: ServedModel;
  readonly #makeCancellation: () => Cancellation;
  readonly #running = new Map<number, Cancellation>();

  constructor(model: ServedModel, makeCancellation: () => Cancellation) {
    this.#model = model;
    this.#makeCancellation = makeCancellation;
  }

  async infer({ number, request }: RemoteInference): Promise<InferenceResult> {
    const cancellation = this.#makeCancellation();
    this.#running.set(number, cancellation);
    try {
      const { outputs } = await this.#model.infer(request, cancellation);
      // Outputs of one run share memory: what travels is this request's part alone.
      return { outputs: outputs.map((output) => ({ ...output, data: output.data.slice() })) };
    } finally {
      this.#running.delete(number);
    }
  }

  cancel(number: number): void {
    this.#running.get(number)?.cancel();
  }
}

/**
 * In memory of its own: the body of a request is often a part of a larger buffer, which would travel whole. Not by
 * `slice`, which for a Buffer gives the same memory.
 */
function movable(tensor: Tensor): Tensor {
  return tensor.data instanceof Uint8Array ? { ...tensor, data: new Uint8Array(tensor.data) } : tensor;
}

function memoryOf(inputs: readonly Tensor[]): ArrayBuffer[] {
  return inputs.flatMap(({ data }) => (data instanceof Uint8Array ? [data.buffer as ArrayBuffer] : []));
}
