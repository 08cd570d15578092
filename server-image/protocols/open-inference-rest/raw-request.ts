// A raw request, whose body is nothing but the bytes of the model's one input: its shape follows from their number.

import { invalidArgument } from "../../inference-error.ts";
import { decodeBinaryData, decodeText } from "../../tensors/binary-decode.ts";
import { elementBytes, type Tensor, type TensorSpec } from "../../tensors/datatypes.ts";
import { elementCount, showShape } from "../../tensors/shape.ts";
import type { PreparedModel } from "./prepared-model.ts";
import type { RequestHead } from "./request-head.ts";

/**
 * All outputs are answered as binary. One dimension of the input may vary; where the first does and one more, the first
 * is taken for a batch, and the body for one row of it. BYTES: one text, without its length. Throws `INVALID_ARGUMENT`.
 */
export function readRawRequest(body: Buffer, { metadata, binaryForms }: PreparedModel): RequestHead {
  const [spec] = metadata.inputs;
  if (spec === undefined || metadata.inputs.length > 1) {
    throw invalidArgument(
      `a raw request (Inference-Header-Content-Length: 0) needs a model with one input; ` +
        `this one has ${metadata.inputs.length}`,
    );
  }
  const outputForms = [...binaryForms.values()];
  return {
    id: undefined,
    inputs: [readInput(body, spec)],
    outputNames: outputForms.map(({ name }) => name),
    outputForms,
    priority: undefined,
    timeoutMs: undefined,
  };
}

function readInput(body: Buffer, spec: TensorSpec): Tensor {
  const { name, datatype } = spec;
  const what = `input ${JSON.stringify(name)}`;
  if (datatype === "BYTES") {
    if (spec.shape.some((size) => size !== -1 && size !== 1)) {
      throw invalidArgument(`${what}: a raw request has one text; the model takes shape ${showShape(spec.shape)}`);
    }
    return { name, datatype, shape: spec.shape.map(() => 1), data: [decodeText(body, what)] };
  }
  const shape = deduceShape(body.length / elementBytes(datatype), spec, what);
  return { name, datatype, shape, data: decodeBinaryData(datatype, elementCount(shape, what), body, what) };
}

/** @param count elements in the body, perhaps not a whole number */
function deduceShape(count: number, spec: TensorSpec, what: string): number[] {
  const variable = spec.shape.filter((size) => size === -1).length;
  const shape = spec.shape[0] === -1 && variable > 1 ? [1, ...spec.shape.slice(1)] : [...spec.shape];
  const open = shape.indexOf(-1);
  if (open < 0) {
    return shape;
  }
  if (shape.lastIndexOf(-1) !== open) {
    throw invalidArgument(`${what}: a raw request cannot say which shape of ${showShape(spec.shape)} it has`);
  }
  const rest = elementCount(shape.toSpliced(open, 1), what);
  if (!Number.isInteger(count / rest)) {
    throw invalidArgument(
      `${what}: a raw request must have a multiple of ${rest} element(s) of ${spec.datatype} ` +
        `for shape ${showShape(spec.shape)}; it has ${count}`,
    );
  }
  return shape.with(open, count / rest);
}
