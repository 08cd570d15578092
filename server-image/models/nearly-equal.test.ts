// Equal but for rounding: what counts as rounding, for every datatype.

import { describe, expect, test } from "vitest";

import { bytesOf, type FixedSizeDatatype, type Tensor, type TypedData } from "../tensors/datatypes.ts";
import { nearlyEqual } from "./nearly-equal.ts";

const TOLERANCE = 1e-3;

function tensor(datatype: FixedSizeDatatype, data: TypedData, shape: readonly number[] = [data.length]): Tensor {
  return { name: "y", datatype, shape, data: bytesOf(data) };
}

const fp32 = (...values: number[]) => tensor("FP32", Float32Array.from(values));
const fp64 = (...values: number[]) => tensor("FP64", Float64Array.from(values));
/** The bits of half-precision numbers. */
const fp16 = (...bits: number[]) => tensor("FP16", Uint16Array.from(bits));
const texts = (...data: string[]): Tensor => ({ name: "y", datatype: "BYTES", shape: [data.length], data });

describe("the same", () => {
  const CASES: Record<string, [Tensor, Tensor]> = {
    "equal numbers": [fp32(1, 2), fp32(1, 2)],
    "a difference far below the largest magnitude": [fp32(1000, 0.5), fp32(1000.5, 0.1)],
    "both zeros": [fp32(0, 1), fp32(-0, 1)],
    "NaN in the same place": [fp64(Number.NaN, 1), fp64(Number.NaN, 1)],
    "infinities of the same sign": [fp64(Infinity, -Infinity), fp64(Infinity, -Infinity)],
    "half precision, one bit apart": [fp16(0x3c00), fp16(0x3c01)],
    "half precision, subnormal against a large number": [fp16(0x5640, 1), fp16(0x5640, 2)],
    "half precision, NaN": [fp16(0x7e00), fp16(0x7e01)],
    integers: [tensor("INT32", Int32Array.of(7)), tensor("INT32", Int32Array.of(7))],
    nothing: [fp32(), fp32()],
    texts: [texts("a", "ü"), texts("a", "ü")],
  };
  test.each(Object.entries(CASES))("%s", (_name, [one, other]) => {
    expect(nearlyEqual(one, other, TOLERANCE)).toBe(true);
    expect(nearlyEqual(other, one, TOLERANCE)).toBe(true);
  });
});

describe("not the same", () => {
  const CASES: Record<string, [Tensor, Tensor]> = {
    "a difference above the tolerance": [fp32(1), fp32(1.002)],
    "two small numbers where all are small": [fp32(1e-6), fp32(2e-6)],
    "NaN and a number": [fp64(Number.NaN), fp64(1)],
    "infinities of different signs": [fp64(Infinity), fp64(-Infinity)],
    "an infinity and a number": [fp64(Infinity, 1), fp64(1e300, 1)],
    "half precision, another number": [fp16(0x3c00), fp16(0x4000)],
    "half precision, another sign": [fp16(0x3c00), fp16(0xbc00)],
    "half precision, infinity and the largest number": [fp16(0x7c00), fp16(0x7bff)],
    "integers that differ by one": [tensor("INT32", Int32Array.of(100_000)), tensor("INT32", Int32Array.of(100_001))],
    "64-bit integers that differ by one": [
      tensor("INT64", BigInt64Array.of(2n ** 53n)),
      tensor("INT64", BigInt64Array.of(2n ** 53n + 1n)),
    ],
    "other datatypes": [tensor("INT32", Int32Array.of(0)), tensor("FP32", Float32Array.of(0))],
    "other shapes": [tensor("FP32", Float32Array.of(1, 2), [2, 1]), tensor("FP32", Float32Array.of(1, 2), [1, 2])],
    "other texts": [texts("a", "b"), texts("a", "c")],
  };
  test.each(Object.entries(CASES))("%s", (_name, [one, other]) => {
    expect(nearlyEqual(one, other, TOLERANCE)).toBe(false);
    expect(nearlyEqual(other, one, TOLERANCE)).toBe(false);
  });
});
