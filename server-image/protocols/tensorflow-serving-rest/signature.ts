// The one signature of a served model, and which of TensorFlow Serving's methods its inputs and outputs fit.

import { invalidArgument } from "../../inference-error.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { TensorSpec } from "../../tensors/datatypes.ts";
import { fieldOf, type JsonDocument } from "./json-document.ts";
import { showValue } from "./show-value.ts";

/** ONNX models have no signatures, so each is served under TensorFlow Serving's default name. */
export const SERVING_DEFAULT = "serving_default";

export const PREDICT_METHOD = "tensorflow/serving/predict";

/** The signature that a request asks for. Throws `INVALID_ARGUMENT` where that is no string. */
export function readSignatureName(fields: JsonDocument["fields"]): string {
  const name = fieldOf(fields, "signature_name");
  if (name !== undefined && typeof name !== "string") {
    throw invalidArgument(
      `JSON Value: ${showValue(fields)} not formatted correctly. 'signature_name' key must be a string value.`,
    );
  }
  return name === undefined || name === "" ? SERVING_DEFAULT : name;
}

export type ExampleMethod = "classify" | "regress";

/** Throws `INVALID_ARGUMENT` unless a classify or regress request asks for the one signature. */
export function checkExampleSignature(fields: JsonDocument["fields"]): void {
  const name = readSignatureName(fields);
  if (name !== SERVING_DEFAULT) {
    throw invalidArgument(`No signature was found with the name: ${name}`);
  }
}

/**
 * The output that a regress request answers with: the one called "outputs", else the only one; FP32, with one value per
 * row. Throws `INVALID_ARGUMENT` where the model has none.
 */
export function findRegression({ outputs }: ModelMetadata): TensorSpec {
  const output = outputs.find(({ name }) => name === "outputs") ?? (outputs.length === 1 ? outputs[0] : undefined);
  if (output?.datatype !== "FP32" || !hasOneValuePerRow(output.shape)) {
    throw otherMethod("regression", "tensorflow/serving/regress");
  }
  return output;
}

/** Rows on the first dimension, and a second one of size 1 or of a size that is not known before the run. */
function hasOneValuePerRow(shape: readonly number[]): boolean {
  return shape.length === 1 || (shape.length === 2 && (shape[1] === 1 || shape[1] === -1));
}

/** Undefined: the model gives only the other. */
export interface Classification {
  readonly classes: TensorSpec | undefined;
  readonly scores: TensorSpec | undefined;
}

/**
 * The outputs that a classify request answers with. Labels are an output of strings, scores one of FP32, both of shape
 * [rows, classes]: those called "classes" and "scores", else those of a model with no other outputs. Throws
 * `INVALID_ARGUMENT` where the model has neither.
 */
export function findClassification({ outputs }: ModelMetadata): Classification {
  const fitting = outputs.filter(({ shape, datatype }) => shape.length === 2 && /^(?:BYTES|FP32)$/.test(datatype));
  const named = fitting.filter(({ name, datatype }) => name === (datatype === "BYTES" ? "classes" : "scores"));
  const chosen = named.length > 0 || fitting.length < outputs.length ? named : fitting;
  const classes = chosen.filter(({ datatype }) => datatype === "BYTES");
  const scores = chosen.filter(({ datatype }) => datatype === "FP32");
  if (chosen.length === 0 || classes.length > 1 || scores.length > 1) {
    throw otherMethod("classification", "tensorflow/serving/classify");
  }
  return { classes: classes[0], scores: scores[0] };
}

function otherMethod(kind: string, method: string): Error {
  return invalidArgument(`Expected ${kind} signature method_name to be ${method}. Was: ${PREDICT_METHOD}`);
}
