// Nested lists of JSON values to tensors: one value as it is, or one value per row with the batch dimension added.

import { InferenceError, invalidArgument } from "../../inference-error.ts";
import type { TensorData } from "../../tensors/datatypes.ts";
import { showValue } from "./show-value.ts";
import { type ValueRules, type ValuesWriter, valuesWriter } from "./tensor-values.ts";

export interface ShapedData {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** The type of the elements, and whether their document is exact. */
export type ElementRules = Pick<ValueRules, "datatype" | "exact">;

/** A tensor of the shape that the nesting says; no list: a scalar. Throws an InferenceError, or `SOURCE_NEEDED`. */
export function decodeValue(value: unknown, rules: ElementRules): ShapedData {
  const shape = shapeOf(value);
  checkNesting(value, shape, 0);
  const [data, write] = valuesWriter({ ...rules, rank: shape.length }, countOf(shape));
  writeNested(value, shape, { write, offset: 0 });
  return { shape, data };
}

/**
 * A tensor of all values, one after the other on a new first dimension. Throws as `decodeValue` does, with the error
 * that `explain` makes of the index of the value and what is wrong with it.
 */
export function decodeRows(
  values: readonly unknown[],
  rules: ElementRules,
  explain: (index: number, error: InferenceError) => InferenceError,
): ShapedData {
  const shape = shapeOf(values[0]);
  each(values, (value) => checkRow(value, shape), explain);
  const size = countOf(shape);
  const [data, write] = valuesWriter({ ...rules, rank: shape.length }, values.length * size);
  if (shape.length === 0) {
    writeScalars(values, write, explain);
  } else {
    each(values, (value, index) => writeNested(value, shape, { write, offset: index * size }), explain);
  }
  return { shape: [values.length, ...shape], data };
}

function each(
  values: readonly unknown[],
  work: (value: unknown, index: number) => void,
  explain: (index: number, error: InferenceError) => InferenceError,
): void {
  for (let index = 0; index < values.length; index += 1) {
    try {
      work(values[index], index);
    } catch (error) {
      throw error instanceof InferenceError ? explain(index, error) : error;
    }
  }
}

/** In one go, and one by one only where that fails, to say which. */
function writeScalars(
  values: readonly unknown[],
  write: ValuesWriter,
  explain: (index: number, error: InferenceError) => InferenceError,
): void {
  try {
    write(values, 0);
  } catch (error) {
    if (!(error instanceof InferenceError)) {
      throw error;
    }
    each(values, (value, index) => write([value], index), explain);
    throw error;
  }
}

function checkRow(value: unknown, shape: readonly number[]): void {
  if (fitsAtAGlance(value, shape)) {
    return;
  }
  const own = shapeOf(value);
  checkNesting(value, own, 0);
  const [expected, actual] = [countOf(shape), countOf(own)];
  if (actual !== expected) {
    throw invalidArgument(`Expecting tensor size: ${expected} but got: ${actual}`);
  }
  if (own.length !== shape.length || own.some((size, axis) => size !== shape[axis])) {
    throw invalidArgument(`Expecting shape [${shape.join(",")}] but got: [${own.join(",")}]`);
  }
}

/** True for most rows of most models; what is in the innermost list is checked when it is written. */
function fitsAtAGlance(value: unknown, shape: readonly number[]): boolean {
  if (!Array.isArray(value)) {
    return shape.length === 0;
  }
  return shape.length === 1 && value.length === shape[0] && !Array.isArray(value[0]);
}

/** As the first element of each list says. */
function shapeOf(value: unknown): number[] {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0] as unknown) {
    shape.push(inner.length);
  }
  return shape;
}

/** Of lists that were all looked at, so no more than the body can hold. */
function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Looks at lists, not at what the innermost ones hold. */
function checkNesting(value: unknown, shape: readonly number[], level: number): void {
  if (level === shape.length) {
    return;
  }
  if (!Array.isArray(value)) {
    throw invalidArgument(
      `JSON Value: ${showValue(value)} found at incorrect level: ${level + 1} in the JSON DOM. ` +
        `Expected at level: ${shape.length}`,
    );
  }
  if (value.length !== shape[level]) {
    throw invalidArgument(
      `Encountered list at unexpected size: ${value.length} at level: ${level} expected size: ${shape[level]}`,
    );
  }
  if (level + 1 < shape.length) {
    for (const item of value) {
      checkNesting(item, shape, level + 1);
    }
  }
}

/** Where the next values go. */
interface Target {
  readonly write: ValuesWriter;
  readonly offset: number;
}

function writeNested(value: unknown, shape: readonly number[], { write, offset }: Target): void {
  if (shape.length <= 1) {
    write(shape.length === 0 ? [value] : (value as readonly unknown[]), offset);
    return;
  }
  const inner = shape.slice(1);
  const size = countOf(inner);
  for (const [index, item] of (value as readonly unknown[]).entries()) {
    writeNested(item, inner, { write, offset: offset + index * size });
  }
}
