// Predict requests to tensors: what TensorFlow Serving takes is taken, bit by bit.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  bytesOf,
  type Datatype,
  type FixedSizeDatatype,
  type Tensor,
  type TypedData,
  typedView,
} from "../../tensors/datatypes.ts";
import { decodePredictRequest } from "./decode-predict.ts";
import { metadataOf, type Specs } from "./test-model.ts";

function decode(body: string, inputs: Specs) {
  return decodePredictRequest(Buffer.from(body), metadataOf(inputs));
}

/** Name, shape and elements, as numbers where they are not texts. */
function show({ name, datatype, shape, data }: Tensor): unknown {
  return [name, shape, data instanceof Uint8Array ? typedView(datatype as FixedSizeDatatype, data) : data];
}

const FLOATS = ["FP32", -1] as const;

describe("taken", () => {
  const cases: [string, string, Specs, string, unknown[]][] = [
    // From TensorFlow Serving's own tests.
    [
      "rows of one input",
      '{"instances": [[1,2],[3,4],[5,6]]}',
      { x: ["INT32", -1, 2] },
      "row",
      [["x", [3, 2], Int32Array.of(1, 2, 3, 4, 5, 6)]],
    ],
    [
      "scalars in rows",
      '{"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0]}',
      { x: ["FP32", -1] },
      "row",
      [["x", [7], Float32Array.of(1, 2, 3, 4, 5.003, 0.007, 0)]],
    ],
    [
      "a signature by name",
      '{"signature_name": "serving_default", "instances": [[1,2]]}',
      { x: ["INT32", -1, 2] },
      "row",
      [["x", [1, 2], Int32Array.of(1, 2)]],
    ],
    [
      "strings of base64",
      '{"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]}',
      { x: ["BYTES", -1] },
      "row",
      [["x", [2], ["hello", "world"]]],
    ],
    [
      "lists of base64",
      '{"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}',
      { x: ["BYTES", -1, 1] },
      "row",
      [["x", [2, 1], ["hello", "world"]]],
    ],
    [
      "one input by name",
      '{"instances": [{"x": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]}]}',
      { x: ["BYTES", -1, 2, 1] },
      "row",
      [["x", [1, 2, 1], ["hello", "world"]]],
    ],
    [
      "several inputs in rows, with NaN and infinities",
      '{"instances": [{"i": [[1,2],[3,4]], "s": ["foo", "bar"], "f": [1.0, NaN], "d": [-Infinity]}, {"i": [[7,8],[9,0]], "s": ["baz", "bat"], "f": [2.0, Infinity], "d": [2.0]}]}',
      { i: ["INT32", -1, 2, 2], s: ["BYTES", -1, 2], f: ["FP32", -1, 2], d: ["FP64", -1, 1] },
      "row",
      [
        ["i", [2, 2, 2], Int32Array.of(1, 2, 3, 4, 7, 8, 9, 0)],
        ["s", [2, 2], ["foo", "bar", "baz", "bat"]],
        ["f", [2, 2], Float32Array.of(1, Number.NaN, 2, Number.POSITIVE_INFINITY)],
        ["d", [2, 1], Float64Array.of(Number.NEGATIVE_INFINITY, 2)],
      ],
    ],
    [
      "a column by name",
      '{"inputs": {"x": [[[1,2],[3,4],[5,6]]]}}',
      { x: ["INT32", -1, 3, 2] },
      "column",
      [["x", [1, 3, 2], Int32Array.of(1, 2, 3, 4, 5, 6)]],
    ],
    [
      "a column without its name",
      '{"inputs": [[[1,2],[3,4],[5,6]]]}',
      { x: ["INT32", -1, 3, 2] },
      "column",
      [["x", [1, 3, 2], Int32Array.of(1, 2, 3, 4, 5, 6)]],
    ],
    [
      "several columns of different lengths, one a scalar",
      '{"inputs": {"i": [[1,2]], "s": ["foo", "bar"], "b": {"b64": "aGVsbG8="}}}',
      { i: ["INT32", -1, 2], s: ["BYTES", -1], b: ["BYTES"] },
      "column",
      [
        ["i", [1, 2], Int32Array.of(1, 2)],
        ["s", [2], ["foo", "bar"]],
        ["b", [], ["hello"]],
      ],
    ],
    // Its other rules.
    [
      "an empty signature name",
      '{"signature_name": "", "inputs": [1]}',
      { x: ["FP32", -1] },
      "column",
      [["x", [1], Float32Array.of(1)]],
    ],
    [
      "a column that is no input",
      '{"inputs": {"x": [1], "other": 5}}',
      { x: ["FP32", -1] },
      "column",
      [["x", [1], Float32Array.of(1)]],
    ],
    ["a scalar column", '{"inputs": 2.5}', { x: ["FP64"] }, "column", [["x", [], Float64Array.of(2.5)]]],
    ["base64 as the only column", '{"inputs": {"b64": "aGVsbG8"}}', { x: ["BYTES"] }, "column", [["x", [], ["hello"]]]],
    [
      "an input that is called b64",
      '{"instances": [{"b64": 1.5}]}',
      { b64: ["FP32", -1] },
      "row",
      [["b64", [1], Float32Array.of(1.5)]],
    ],
    [
      "a fixed first dimension",
      '{"instances": [[1, 2]]}',
      { x: ["INT8", 1, 2] },
      "row",
      [["x", [1, 2], Int8Array.of(1, 2)]],
    ],
    [
      "dimensions without elements",
      '{"inputs": [[], []]}',
      { x: ["FP32", -1, 0] },
      "column",
      [["x", [2, 0], new Float32Array()]],
    ],
    ["rows without elements", '{"instances": [[], []]}', { x: ["BYTES", -1, -1] }, "row", [["x", [2, 0], []]]],
    [
      "integers among decimals of another input",
      '{"inputs": {"f": [1.0, 2e0], "i": [3, -4]}}',
      { f: ["FP32", -1], i: ["INT16", -1] },
      "column",
      [
        ["f", [2], Float32Array.of(1, 2)],
        ["i", [2], Int16Array.of(3, -4)],
      ],
    ],
    [
      "64-bit integers in full",
      '{"instances": [9223372036854775807, -9223372036854775808, 0]}',
      { x: ["INT64", -1] },
      "row",
      [["x", [3], BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 0n)]],
    ],
    [
      "unsigned 64-bit integers in full",
      '{"instances": [18446744073709551615]}',
      { x: ["UINT64", -1] },
      "row",
      [["x", [1], BigUint64Array.of(2n ** 64n - 1n)]],
    ],
    [
      "the largest 32-bit integers",
      '{"instances": [4294967295, 0]}',
      { x: ["UINT32", -1] },
      "row",
      [["x", [2], Uint32Array.of(4294967295, 0)]],
    ],
    ["booleans", '{"instances": [[true, false]]}', { x: ["BOOL", -1, 2] }, "row", [["x", [1, 2], Uint8Array.of(1, 0)]]],
    [
      "whole decimals beyond the whole numbers of a float",
      '{"instances": [16777217.0, 1e30]}',
      { x: ["FP32", -1] },
      "row",
      [["x", [2], Float32Array.of(16777216, 1e30)]],
    ],
    [
      "integers too long for 64 bits as floats",
      '{"instances": [100000000000000000000]}',
      { x: ["FP32", -1] },
      "row",
      [["x", [1], Float32Array.of(1e20)]],
    ],
    [
      "names of JavaScript's own",
      '{"inputs": {"__proto__": [1], "constructor": [2]}}',
      { ["__proto__"]: FLOATS, constructor: FLOATS },
      "column",
      [
        ["__proto__", [1], Float32Array.of(1)],
        ["constructor", [1], Float32Array.of(2)],
      ],
    ],
  ];
  test.each(cases)("%s", (...[, body, inputs, form, tensors]) => {
    const request = decode(body, inputs);
    expect(request.form).toBe(form);
    expect(request.inputs.map(show)).toEqual(tensors);
  });
});

describe("any tensor, written by JSON.stringify, is read as it was", () => {
  const types: [Datatype, (length: number) => fc.Arbitrary<TypedData>][] = [
    [
      "FP32",
      (length) => fc.float32Array({ minLength: length, maxLength: length, noNaN: true, noDefaultInfinity: true }),
    ],
    [
      "FP64",
      (length) => fc.float64Array({ minLength: length, maxLength: length, noNaN: true, noDefaultInfinity: true }),
    ],
    ["INT8", (length) => fc.int8Array({ minLength: length, maxLength: length })],
    ["UINT32", (length) => fc.uint32Array({ minLength: length, maxLength: length })],
  ];
  test.each(types)("%s", (datatype, arbitrary) => {
    const shapes = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }));
    const cases = shapes.chain(([rows, width]) =>
      fc.tuple(fc.constant([rows, width] as const), arbitrary(rows * width)),
    );
    fc.assert(
      fc.property(cases, fc.constantFrom("instances", "inputs"), ([[rows, width], data], key) => {
        const nested = Array.from({ length: rows }, (_, row) =>
          Array.from(data.slice(row * width, (row + 1) * width) as ArrayLike<number>),
        );
        // JSON has no 1.0 where a program's float is whole, and TensorFlow Serving refuses long integers for floats.
        const text = JSON.stringify({ [key]: nested }).replaceAll(/(?<![\d.e+-])(-?\d{8,})(?![\d.e])/g, "$1.0");
        fc.pre(datatype.startsWith("FP") || !text.includes(".0"));
        const [tensor] = decode(text, { x: [datatype, -1, -1] }).inputs;
        expect(tensor?.shape).toEqual([rows, width]);
        // -0 is an integer to JSON.stringify.
        expect(typedView(datatype as "FP32", tensor?.data as Uint8Array).map(Math.abs)).toEqual(
          typedView(datatype as "FP32", bytesOf(data)).map(Math.abs),
        );
      }),
    );
  });
});
