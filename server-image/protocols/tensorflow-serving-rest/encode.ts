// Outputs of a run to the body of an answer: predictions in rows, outputs in columns, results of examples.

import { invalidArgument } from "../../inference-error.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import type { PredictForm } from "./decode-predict.ts";
import { encodeRows, encodeTensor } from "./nested-text.ts";
import type { Classification } from "./signature.ts";

/** Throws `INVALID_ARGUMENT` where the outputs cannot be told apart by rows, as TensorFlow Serving does. */
export function encodePredictResponse(form: PredictForm, outputs: readonly Tensor[]): readonly Uint8Array[] {
  return form === "row" ? encodePredictions(outputs) : encodeOutputs(outputs);
}

function encodePredictions(outputs: readonly Tensor[]): readonly Uint8Array[] {
  const count = countRows(outputs);
  const [only] = outputs;
  if (only !== undefined && outputs.length === 1) {
    return [Buffer.from('{"predictions":'), encodeTensor(only), Buffer.from("}")];
  }
  const columns = outputs.map((tensor) => ({ key: keyOf(tensor), rows: encodeRows(tensor) }));
  const parts: Uint8Array[] = [];
  for (let row = 0; row < count; row += 1) {
    parts.push(Buffer.from(row === 0 ? '{"predictions":[{' : "},{"));
    for (const [index, { key, rows }] of columns.entries()) {
      parts.push(Buffer.from(index === 0 ? key : `,${key}`), rows[row] as Uint8Array);
    }
  }
  parts.push(Buffer.from("}]}"));
  return [Buffer.concat(parts)];
}

/** Rows that all outputs have. */
function countRows(outputs: readonly Tensor[]): number {
  let expected: number | undefined;
  for (const { name, shape } of outputs) {
    const [count] = shape;
    if (count === undefined) {
      throw invalidArgument(`Tensor name: ${name} has no shape information `);
    }
    if (count < 1) {
      throw invalidArgument(`Tensor name: ${name} has invalid batch size: ${count}`);
    }
    if (expected !== undefined && count !== expected) {
      throw invalidArgument(`Tensor name: ${name} has inconsistent batch size: ${count} expecting: ${expected}`);
    }
    expected = count;
  }
  return expected ?? 0;
}

function encodeOutputs(outputs: readonly Tensor[]): readonly Uint8Array[] {
  const [only] = outputs;
  if (only !== undefined && outputs.length === 1) {
    return [Buffer.from('{"outputs":'), encodeTensor(only), Buffer.from("}")];
  }
  const parts = outputs.flatMap((tensor, index) => [
    Buffer.from(index === 0 ? `{"outputs":{${keyOf(tensor)}` : `,${keyOf(tensor)}`),
    encodeTensor(tensor),
  ]);
  return [...parts, Buffer.from("}}")];
}

function keyOf({ name }: Tensor): string {
  return `${JSON.stringify(name)}:`;
}

/** Throws `INVALID_ARGUMENT` unless the output has one value per example. */
export function encodeRegressions(output: Tensor, examples: number): string {
  const { shape } = output;
  if (shape.length !== 1 && !(shape.length === 2 && shape[1] === 1)) {
    throw invalidArgument(
      `Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [${shape.join(",")}]`,
    );
  }
  if (shape[0] !== examples) {
    throw invalidArgument(`Input batch size did not match output batch size: ${examples} vs. ${shape[0]}`);
  }
  return `{"results":${encodeTensor({ ...output, shape: [examples] }).toString()}}`;
}

/** Throws `INVALID_ARGUMENT` unless the outputs have one row per example, and as many labels as scores. */
export function encodeClassifications(
  { classes, scores }: Classification,
  outputs: readonly Tensor[],
  examples: number,
): string {
  const [labels, values] = [classes, scores].map((spec) => outputs.find(({ name }) => name === spec?.name));
  const labelCount = checkTable(labels, "classes", examples);
  const scoreCount = checkTable(values, "scores", examples);
  const width = labelCount ?? scoreCount ?? 0;
  if (scoreCount !== undefined && scoreCount !== width) {
    throw invalidArgument(`Tensors class and score should match in dim_size(1). Got ${width} vs. ${scoreCount}`);
  }
  const names = labels?.data as readonly string[] | undefined;
  const numbers = values === undefined ? undefined : encodeRows({ ...values, shape: [examples * width] }).map(String);
  // What the model does not give is what an unset field of the protocol's messages is: "" and 0.
  const pair = (index: number) => `[${JSON.stringify(names?.[index] ?? "")},${numbers?.[index] ?? "0.0"}]`;
  const row = (example: number) =>
    `[${Array.from({ length: width }, (_, index) => pair(example * width + index)).join(",")}]`;
  return `{"results":[${Array.from({ length: examples }, (_, example) => row(example)).join(",")}]}`;
}

/** Classes per example; undefined where there is no such output. */
function checkTable(tensor: Tensor | undefined, kind: string, examples: number): number | undefined {
  if (tensor === undefined) {
    return undefined;
  }
  const [rows, width] = tensor.shape;
  if (width === undefined || tensor.shape.length !== 2) {
    throw invalidArgument(`Expected Tensor shape: [batch_size num_classes] but got [${tensor.shape.join(",")}]`);
  }
  if (rows !== examples) {
    throw invalidArgument(`Expected ${kind} output batch size of ${examples}. Got: ${rows}`);
  }
  return width;
}
