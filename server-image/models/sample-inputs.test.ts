// Which shapes are tried where a model leaves them open, and what the samples hold.

import { describe, expect, test } from "vitest";

import { DATATYPES, type Datatype, type FixedSizeDatatype, type TensorSpec, typedView } from "../tensors/datatypes.ts";
import { candidateShapes, randomInputs, withRows } from "./sample-inputs.ts";

function specs(...shapes: number[][]): TensorSpec[] {
  return shapes.map((shape, index) => ({ name: `x${index}`, datatype: "FP32", shape }));
}

describe("candidate shapes", () => {
  test.each([
    ["fixed shapes are taken as they are", specs([1, 16], []), [[[1, 16], []]]],
    ["a varying batch is 1", specs([-1, 3]), [[[1, 3]]]],
    [
      "other varying dimensions grow",
      specs([-1, 3, 48, -1]),
      [[[1, 3, 48, 1]], [[1, 3, 48, 16]], [[1, 3, 48, 64]], [[1, 3, 48, 224]]],
    ],
    ["a model without inputs runs as it is", specs(), [[]]],
    ["what would be too large is left out", specs([1, 100_000_000]), []],
  ])("%s", (_name, inputs, expected) => {
    expect(candidateShapes(inputs)).toEqual(expected);
  });
});

test("rows are set on each first dimension that varies, and nowhere else", () => {
  const inputs = specs([-1, 3], [1, 3], [], [-1, -1]);
  expect(withRows([[1, 3], [1, 3], [], [1, 16]], inputs, 5)).toEqual([[5, 3], [1, 3], [], [5, 16]]);
});

describe("random values, many of each datatype", () => {
  const ALLOWED: Record<Datatype, (value: unknown) => boolean> = {
    BOOL: isBit,
    UINT8: isBit,
    UINT16: isBit,
    UINT32: isBit,
    UINT64: isBit,
    INT8: isBit,
    INT16: isBit,
    INT32: isBit,
    INT64: isBit,
    // The bits of 0.5 up to the last number below 1.
    FP16: (bits) => Number(bits) >= 0x3800 && Number(bits) < 0x3c00,
    FP32: (value) => Math.abs(Number(value)) <= 1,
    FP64: (value) => Math.abs(Number(value)) <= 1,
    BYTES: (value) => value === "a" || value === "b",
  };

  function isBit(value: unknown): boolean {
    return Number(value) === 0 || Number(value) === 1;
  }

  test.each(DATATYPES)("%s: modest, and not all the same", (datatype) => {
    const [sample] = randomInputs([{ name: "x", datatype, shape: [-1, 100] }], [[3, 100]], Math.random);
    expect(sample).toMatchObject({ name: "x", datatype, shape: [3, 100] });
    const data = sample?.data ?? [];
    const values: unknown[] =
      data instanceof Uint8Array ? [...typedView(datatype as FixedSizeDatatype, data)] : [...data];
    expect(values).toHaveLength(300);
    expect(values.filter((value) => !ALLOWED[datatype](value))).toEqual([]);
    expect(new Set(values).size).toBeGreaterThan(1);
  });

  test("a scalar has one", () => {
    const [sample] = randomInputs(specs([]), [[]], Math.random);
    expect(sample).toMatchObject({ shape: [], data: expect.objectContaining({ length: 4 }) as unknown });
  });
});
