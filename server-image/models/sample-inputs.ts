// Inputs made up from a model's description, to run it before the first client does.

import { bytesOf, type Datatype, type Tensor, type TensorData, type TensorSpec, zeros } from "../tensors/datatypes.ts";

/** Tried in this order for dimensions that may vary: 1 suits most models, images and audio need some room. */
const SIZES = [1, 16, 64, 224];

/** More elements than this per input would take long for nothing. */
const MAX_ELEMENTS = 16 * 1024 * 1024;

/** One shape per input. */
export type Shapes = readonly (readonly number[])[];

/** A number in [0, 1). */
export type Draw = () => number;

/**
 * Which sizes a model accepts cannot be read from it, so there are several candidates. The first dimension, where it
 * varies, is nearly always the batch: 1.
 */
export function candidateShapes(inputs: readonly TensorSpec[]): Shapes[] {
  const all = SIZES.map((size) =>
    inputs.map(({ shape }) => shape.map((declared, axis) => (declared >= 0 ? declared : axis === 0 ? 1 : size))),
  );
  return all
    .filter((shapes) => shapes.every((shape) => elements(shape) <= MAX_ELEMENTS))
    .filter((shapes, index, kept) => index === 0 || JSON.stringify(shapes) !== JSON.stringify(kept[index - 1]));
}

/** The shapes with so many rows on each first axis that may vary. */
export function withRows(shapes: Shapes, inputs: readonly TensorSpec[], rows: number): Shapes {
  return shapes.map((shape, index) => (inputs[index]?.shape[0] === -1 ? [rows, ...shape.slice(1)] : shape));
}

/** Random values of modest size: integers are 0 or 1, which an index into a table can bear. */
export function randomInputs(inputs: readonly TensorSpec[], shapes: Shapes, draw: Draw): Tensor[] {
  return inputs.map(({ name, datatype }, index) => {
    const shape = shapes[index] ?? [];
    return { name, datatype, shape, data: randomData(datatype, elements(shape), draw) };
  });
}

function randomData(datatype: Datatype, count: number, draw: Draw): TensorData {
  const bit = () => (draw() < 0.5 ? 0 : 1);
  switch (datatype) {
    case "BYTES":
      return Array.from({ length: count }, () => (draw() < 0.5 ? "a" : "b"));
    case "FP32":
    case "FP64":
      return bytesOf(zeros(datatype, count).map(() => 2 * draw() - 1));
    case "FP16":
      // The bits of numbers from 0.5 to 1.
      return bytesOf(zeros(datatype, count).map(() => 0x3800 + Math.floor(1024 * draw())));
    case "INT64":
    case "UINT64":
      return bytesOf(zeros(datatype, count).map(() => BigInt(bit())));
    default:
      return bytesOf(zeros(datatype, count).map(bit));
  }
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
