// Shapes: reading one from a request, comparing it with what a model takes, counting elements.

import { invalidArgument } from "../inference-error.ts";

/** More elements than this are refused: far above any body limit, far below where products lose digits. */
const MAX_ELEMENTS = 2 ** 40;

/** Shapes of models have a handful of dimensions; this bounds what a request can make us look at. */
const MAX_RANK = 32;

/** The shape in a request: a list of integers >= 0. Throws `INVALID_ARGUMENT` naming the input. */
export function readShape(value: unknown, what: string): number[] {
  if (!Array.isArray(value)) {
    throw invalidArgument(`${what}: "shape" must be a list of integers, for example [1, 3]`);
  }
  if (value.length > MAX_RANK) {
    throw invalidArgument(`${what}: "shape" has ${value.length} dimensions; at most ${MAX_RANK} are allowed`);
  }
  const shape: unknown[] = value;
  const wrong = shape.findIndex((size) => !Number.isSafeInteger(size) || Number(size) < 0);
  if (wrong >= 0) {
    throw invalidArgument(`${what}: dimension ${wrong} of "shape" must be an integer from 0 to 2^53 - 1`);
  }
  return shape as number[];
}

/** The product of the dimensions; 1 for a scalar. Throws `INVALID_ARGUMENT` where the product is beyond what can be served. */
export function elementCount(shape: readonly number[], what: string): number {
  if (shape.includes(0)) {
    return 0;
  }
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (count > MAX_ELEMENTS) {
      throw invalidArgument(`${what}: shape ${showShape(shape)} has too many elements; at most 2^40 are allowed`);
    }
  }
  return count;
}

/** Whether a tensor of `shape` fits where a model declares `declared` (-1: any size). */
export function shapeFits(shape: readonly number[], declared: readonly number[]): boolean {
  return shape.length === declared.length && declared.every((size, axis) => size === -1 || size === shape[axis]);
}

export function showShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
