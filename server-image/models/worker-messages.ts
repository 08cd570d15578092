// What the main thread and the threads that run the model say to each other.

import type { RuntimeType, TypedData } from "../tensors/datatypes.ts";
import type { RuntimeValue } from "./metadata.ts";

/** A tensor in onnxruntime's words. */
export interface RuntimeTensor {
  readonly name: string;
  readonly type: RuntimeType;
  readonly dims: readonly number[];
  readonly data: TypedData | readonly string[];
}

/** A worker answers each with `ran` or `run-failed` before it takes the next message. */
export interface RunMessage {
  readonly inputs: readonly RuntimeTensor[];
  readonly outputNames: readonly string[];
}

/** The only other message to a worker: its thread ends. */
export const END = "end";

/** Messages from a worker: first `loaded` or `load-failed`, then one per run. */
export type WorkerMessage =
  | { readonly kind: "loaded"; readonly inputs: readonly RuntimeValue[]; readonly outputs: readonly RuntimeValue[] }
  | { readonly kind: "load-failed"; readonly message: string }
  | {
      readonly kind: "ran";
      readonly outputs: readonly RuntimeTensor[];
      readonly computeSeconds: number;
      /** The memory of the inputs, given back. */
      readonly freed: readonly ArrayBuffer[];
    }
  | { readonly kind: "run-failed"; readonly message: string };
