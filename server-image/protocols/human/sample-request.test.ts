// Sample requests: of the model's own shapes, small enough to read.

import { describe, expect, test } from "vitest";

import type { ModelMetadata } from "../../models/metadata.ts";
import type { Shapes } from "../../models/sample-inputs.ts";
import type { Datatype, TensorSpec } from "../../tensors/datatypes.ts";
import { formatSample, sampleRequest } from "./sample-request.ts";

function spec(name: string, datatype: Datatype, ...shape: number[]): TensorSpec {
  return { name, datatype, shape };
}

function model(inputs: TensorSpec[], output: Datatype = "FP32"): ModelMetadata {
  return { name: "m", version: "1", platform: "onnx_onnxv1", inputs, outputs: [spec("y", output, -1)] };
}

describe("data", () => {
  const cases: [string, TensorSpec, Shapes | undefined, object][] = [
    ["floats", spec("x", "FP32", -1, 3), undefined, { shape: [1, 3], data: [0, 0.1, 0.2] }],
    ["integers that can be an index", spec("x", "INT64", 4), undefined, { shape: [4], data: [0, 1, 0, 1] }],
    ["booleans", spec("x", "BOOL", 2), undefined, { shape: [2], data: [false, true] }],
    ["texts", spec("x", "BYTES", 2), undefined, { shape: [2], data: ["text 1", "text 2"] }],
    ["one value", spec("x", "FP64"), undefined, { shape: [], data: [0] }],
    ["of the shape at warm-up", spec("x", "INT8", -1, -1), [[1, 5]], { shape: [1, 5], data: [0, 1, 0, 1, 0] }],
    ["too much to show", spec("x", "FP32", 1, 3, 224, 224), undefined, { shape: [1, 3, 224, 224], data: "random" }],
  ];
  test.each(cases)("%s", (_name, input, shapes, expected) => {
    expect(sampleRequest(model([input]), shapes)).toEqual({
      inputs: [{ name: "x", datatype: input.datatype, ...expected }],
    });
  });
});

test("outputs without a JSON form are asked for as bytes", () => {
  expect(sampleRequest(model([spec("x", "FP32", 1)], "FP16"), undefined)).toMatchObject({
    parameters: { binary_data_output: true },
  });
});

test("there is none where an input has no JSON form", () => {
  expect(sampleRequest(model([spec("x", "FP32", 1), spec("h", "FP16", 1)]), undefined)).toBeUndefined();
});

test("is written with each list on one line", () => {
  const sample = sampleRequest(model([spec("x", "FP32", 1, 2), spec("s", "BYTES", 1)]), undefined);
  expect(formatSample(sample!)).toBe(`{
  "inputs": [
    {
      "name": "x",
      "shape": [1, 2],
      "datatype": "FP32",
      "data": [0, 0.1]
    },
    {
      "name": "s",
      "shape": [1],
      "datatype": "BYTES",
      "data": ["text 1"]
    }
  ]
}`);
});
