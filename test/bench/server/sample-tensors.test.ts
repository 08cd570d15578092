// Inputs that are made from a model's description.

import { describe, expect, test } from "vitest";
import { hasBatchAxis, type ModelValue, sampleTensors } from "./sample-tensors.ts";

const rows: ModelValue = { name: "x", type: "float32", shape: ["n", 3] };

describe("shapes", () => {
  test.each<[string, { input: ModelValue; rows: number; given?: Record<string, number[]> }, number[]]>([
    ["the first dimension gets the rows", { input: rows, rows: 4 }, [4, 3]],
    ["a fixed first dimension stays", { input: { ...rows, shape: [1, 3] }, rows: 4 }, [1, 3]],
    [
      "other dimensions are given from outside",
      { input: { ...rows, shape: ["n", "length"] }, rows: 2, given: { x: [1, 7] } },
      [2, 7],
    ],
    ["-1 varies as well", { input: { ...rows, shape: [-1, 3] }, rows: 2 }, [2, 3]],
    ["a scalar", { input: { ...rows, shape: [] }, rows: 2 }, []],
  ])("%s", (_name, asked, expected) => {
    const [tensor] = sampleTensors([asked.input], asked.rows, asked.given);
    expect(tensor?.shape).toEqual(expected);
    expect(tensor?.data).toHaveLength(expected.reduce((product, size) => product * size, 1));
  });

  test("a dimension that nobody says is an error that says what to do", () => {
    expect(() => sampleTensors([{ ...rows, shape: ["n", "length"] }], 1)).toThrow(
      'dimension 1 of input "x" varies: give the shapes',
    );
  });
});

test("the first row is the same however many follow, and inputs differ from each other", () => {
  const inputs = [rows, { ...rows, name: "y" }];
  const [one, other] = sampleTensors(inputs, 1);
  const [many] = sampleTensors(inputs, 5);
  expect(many?.data.slice(0, 3)).toEqual(one?.data);
  expect(other?.data).not.toEqual(one?.data);
});

test.each([
  ["float32", "FP32"],
  ["float64", "FP64"],
  ["int32", "INT32"],
  ["int64", "INT64"],
  ["uint8", "UINT8"],
  ["bool", "BOOL"],
])("%s is %s in the protocol, and not all the same value", (type, datatype) => {
  const [tensor] = sampleTensors([{ name: "x", type, shape: [64] }], 1);
  expect(tensor?.datatype).toBe(datatype);
  expect(new Set<number | bigint>(tensor?.data).size).toBeGreaterThan(1);
});

test("a type that cannot be made is an error", () => {
  expect(() => sampleTensors([{ name: "x", type: "string", shape: [1] }], 1)).toThrow("type string");
});

test.each<[string, ModelValue["shape"][], boolean]>([
  ["one input", [["n", 3]], true],
  ["all inputs", [["n", 3], [-1]], true],
  ["one of them is fixed", [["n", 3], [1]], false],
  ["a scalar", [[]], false],
  ["no inputs", [], false],
])("a batch axis: %s", (_name, shapes, expected) => {
  expect(hasBatchAxis(shapes.map((shape) => ({ ...rows, shape })))).toBe(expected);
});
