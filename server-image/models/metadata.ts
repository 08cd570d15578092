// What a loaded model says of itself, in the protocol's words.

import { LoadError } from "../load-error.ts";
import { fromRuntimeType, type TensorSpec } from "../tensors/datatypes.ts";

/** One loaded version of a model. */
export interface ModelMetadata {
  readonly name: string;
  /** A number as text, as in `models/NAME/versions/VERSION`. */
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** The protocol's name for ONNX models. */
export const PLATFORM = "onnx_onnxv1";

/** An input or output as onnxruntime describes it; a dimension that may vary is a name, possibly empty. */
export interface RuntimeValue {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

/** Throws a LoadError `MODEL_UNSUPPORTED` for sequences, maps and datatypes that the protocol has no name for. */
export function toTensorSpec(value: RuntimeValue, kind: "input" | "output"): TensorSpec {
  const name = JSON.stringify(value.name);
  if (!value.isTensor || value.type === undefined || value.shape === undefined) {
    throw unsupported(`${kind} ${name} is no tensor; only tensors can be served`);
  }
  const datatype = fromRuntimeType(value.type);
  if (datatype === undefined) {
    throw unsupported(`${kind} ${name} has elements of type ${value.type}, which the inference protocol cannot carry`);
  }
  return { name: value.name, datatype, shape: value.shape.map((size) => (typeof size === "number" ? size : -1)) };
}

function unsupported(message: string): LoadError {
  return new LoadError("load", "MODEL_UNSUPPORTED", message);
}
