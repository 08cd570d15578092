// What runs the model, as the batcher sees it: workers on other threads, or a session on this one.

import { InferenceError } from "../inference-error.ts";
import { bytesOf, fromRuntimeType, type Tensor, toRuntimeType, typedView } from "../tensors/datatypes.ts";
import type { RuntimeTensor } from "./worker-messages.ts";

/** One run of the model. The memory of `inputs` belongs to the run until its result says that it is free. */
export interface RunRequest {
  readonly inputs: readonly Tensor[];
  readonly outputNames: readonly string[];
}

export interface RunResult {
  readonly outputs: readonly Tensor[];
  /** Inside onnxruntime, without the way to the worker and back. */
  readonly computeSeconds: number;
  /** Memory of the inputs that can be used again. */
  readonly freed: readonly ArrayBuffer[];
}

export interface Runner {
  /** Runs that could begin now. */
  readonly idleCount: number;
  /** Runs that can be in progress at the same time, when all is well. */
  readonly parallelRuns: number;
  /**
   * True where inputs are moved to another thread: then each must have memory of its own, which is gone afterwards
   * unless it comes back in `freed`. Else inputs may lie in a request's body, and `freed` is empty.
   */
  readonly movesInputs: boolean;
  /**
   * Call it only when `idleCount` > 0. Rejects with a ModelRunError when the model fails on these inputs, and with
   * another InferenceError `INTERNAL` when its thread does.
   */
  run(request: RunRequest): Promise<RunResult>;
}

/** The model took the inputs and failed on them; other inputs may do. */
export class ModelRunError extends InferenceError {
  /** @param reason onnxruntime's own message */
  constructor(reason: string, options?: ErrorOptions) {
    super("INTERNAL", `the model failed on this input: ${withoutPaths(reason)}`, options);
  }
}

export function toRuntimeTensor({ name, datatype, shape, data }: Tensor): RuntimeTensor {
  const isFixedSize = data instanceof Uint8Array && datatype !== "BYTES";
  const elements = isFixedSize ? typedView(datatype, data) : (data as readonly string[]);
  return { name, type: toRuntimeType(datatype), dims: shape, data: elements };
}

export function toTensor({ name, type, dims, data }: RuntimeTensor): Tensor {
  const datatype = fromRuntimeType(type);
  if (datatype === undefined) {
    throw new Error(`output ${JSON.stringify(name)} has the unknown type ${type}`);
  }
  return { name, datatype, shape: dims, data: "buffer" in data ? bytesOf(data) : data };
}

/** onnxruntime's messages without the source files they were built from, the host's name and line breaks. */
export function withoutPaths(message: string): string {
  return message
    .replaceAll(/(^|\s|=)(?:\/[^\s/:;]+)+\.(?:h|cc|cpp|cu)(?::\d+)?/g, "$1")
    .replaceAll(/\b(?:hostname|file|line)=[^\s;]*\s*;?\s*/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}
