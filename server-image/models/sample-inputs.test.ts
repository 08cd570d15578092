// Which shapes are tried where a model leaves them open, and what the samples hold.

import { describe, expect, test } from "vitest";

import type { TensorSpec } from "../tensors/datatypes.ts";
import { candidateShapes } from "./sample-inputs.ts";

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
