// Joins the inputs of several requests on their first axis, and takes the outputs apart again.

import type { Tensor, TensorData } from "../tensors/datatypes.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { ModelRunError } from "./runner.ts";
import type { InferenceRequest } from "./served-model.ts";

/** A request and its size on the first axis. */
export interface BatchPart {
  readonly request: InferenceRequest;
  readonly rows: number;
}

/**
 * Rows of a request for a model that may join requests: the first dimension, where all inputs agree on it. Undefined:
 * such a request cannot be joined with others. That includes inputs without elements, whose first dimension may be any
 * number that a client likes.
 */
export function rowsOf({ inputs }: InferenceRequest): number | undefined {
  const rows = inputs[0]?.shape[0];
  return inputs.every(({ shape }) => shape[0] === rows && !shape.includes(0)) ? rows : undefined;
}

/** Equal keys: the shapes of the inputs differ at most on the first axis. */
export function joinKey({ inputs }: InferenceRequest): string {
  let key = "";
  for (const { name, shape } of inputs) {
    // With its length, since a name may look like the dimensions of another.
    key += `${name.length}:${name}`;
    for (let axis = 1; axis < shape.length; axis += 1) {
      key += `,${shape[axis]}`;
    }
    key += ";";
  }
  return key;
}

/** All outputs that any of the requests wants, each once. */
export function outputNamesOf(parts: readonly BatchPart[]): readonly string[] {
  const [first, ...rest] = parts;
  const names = first?.request.outputNames ?? [];
  return rest.every(({ request }) => request.outputNames === names)
    ? names
    : [...new Set(parts.flatMap(({ request }) => request.outputNames))];
}

/**
 * The inputs of one run for requests with equal join keys. The memory is the pool's, filled with a copy, so that it can
 * move to another thread.
 */
export function joinInputs(parts: readonly BatchPart[], pool: Pick<BufferPool, "take">): Tensor[] {
  const first = parts[0]?.request;
  if (first === undefined) {
    throw new Error("a batch needs at least one request");
  }
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  return first.inputs.map(({ name, datatype, shape }, position) => {
    // Clients may list the inputs in any order.
    const pieces = parts.map(({ request }) => inputData(request, name, position));
    const joinedShape = parts.length === 1 ? shape : [rows, ...shape.slice(1)];
    return { name, datatype, shape: joinedShape, data: joinData(pieces, pool) };
  });
}

function inputData({ inputs }: InferenceRequest, name: string, position: number): TensorData {
  const input = inputs[position]?.name === name ? inputs[position] : inputs.find((other) => other.name === name);
  if (input === undefined) {
    throw new Error(`a request without input ${JSON.stringify(name)} cannot be joined`);
  }
  return input.data;
}

function joinData(pieces: readonly TensorData[], pool: Pick<BufferPool, "take">): TensorData {
  let length = 0;
  for (const piece of pieces) {
    if (!(piece instanceof Uint8Array)) {
      return pieces.flatMap((texts) => texts as readonly string[]);
    }
    length += piece.length;
  }
  const joined = new Uint8Array(pool.take(length), 0, length);
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece as Uint8Array, offset);
    offset += piece.length;
  }
  return joined;
}

/** The outputs of each request, in its own order; views into the memory of the run's outputs. */
export function splitOutputs(parts: readonly BatchPart[], outputs: readonly Tensor[]): Tensor[][] {
  if (parts.length === 1) {
    return parts.map(({ request }) => select(request.outputNames, outputs));
  }
  const totalRows = parts.reduce((sum, part) => sum + part.rows, 0);
  const wrong = outputs.find(({ shape }) => shape[0] !== totalRows);
  if (wrong !== undefined) {
    throw new ModelRunError(
      `output ${JSON.stringify(wrong.name)} has ${wrong.shape[0] ?? "no"} rows for ${totalRows} rows of inputs`,
    );
  }
  let firstRow = 0;
  return parts.map(({ request, rows }) => {
    const from = firstRow;
    firstRow += rows;
    return select(request.outputNames, outputs).map((output) => takeRows(output, from, rows));
  });
}

function select(names: readonly string[], outputs: readonly Tensor[]): Tensor[] {
  return names.map((name, position) => {
    const output = outputs[position]?.name === name ? outputs[position] : outputs.find((other) => other.name === name);
    if (output === undefined) {
      throw new Error(`the run gave no output ${JSON.stringify(name)}`);
    }
    return output;
  });
}

/** Rows of a tensor, in the same memory. */
export function takeRows({ name, datatype, shape, data }: Tensor, from: number, rows: number): Tensor {
  const rowLength = shape[0] === 0 ? 0 : data.length / (shape[0] ?? 1);
  const [start, end] = [from * rowLength, (from + rows) * rowLength];
  const taken = data instanceof Uint8Array ? data.subarray(start, end) : data.slice(start, end);
  return { name, datatype, shape: [rows, ...shape.slice(1)], data: taken };
}

/** Bytes that the inputs of a request hold; texts count two bytes for each unit of UTF-16. */
export function inputBytes({ inputs }: InferenceRequest): number {
  let bytes = 0;
  for (const { data } of inputs) {
    bytes += data instanceof Uint8Array ? data.length : data.reduce((sum, text) => sum + 2 * text.length, 0);
  }
  return bytes;
}

/** The memory that joined inputs lie in; texts have none. */
export function memoryOf(inputs: readonly Tensor[]): ArrayBuffer[] {
  return inputs.flatMap(({ data }) => (data instanceof Uint8Array ? [data.buffer as ArrayBuffer] : []));
}
