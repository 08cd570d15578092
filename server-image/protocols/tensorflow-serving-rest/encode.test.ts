// Answers as TensorFlow Serving writes them: rows and columns, the spelling of numbers, results of examples.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Tensor } from "../../tensors/datatypes.ts";
import { encodeClassifications, encodePredictResponse, encodeRegressions } from "./encode.ts";
import { parseExactly, WholeDecimal } from "./exact-json.ts";
import { findClassification } from "./signature.ts";
import { metadataOf, type Specs, tensorOf } from "./test-model.ts";

function predictions(...tensors: Tensor[]): string {
  return Buffer.concat(encodePredictResponse("row", tensors)).toString();
}

function outputs(...tensors: Tensor[]): string {
  return Buffer.concat(encodePredictResponse("column", tensors)).toString();
}

const INTS = tensorOf("i", "INT32", [2, 3, 2], Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2));
const TEXTS = tensorOf("s", "BYTES", [2, 2], ["foo", "bar", "baz", 'b"\n']);
const BYTES = tensorOf("s_bytes", "BYTES", [2, 2], ["hello", "world", "tf", "serving"]);

describe("one output, without its name", () => {
  const cases: [string, Tensor, string][] = [
    ["nested", INTS, "[[[1,2],[3,4],[5,6]],[[7,8],[9,0],[1,2]]]"],
    ["scalars", tensorOf("y", "INT8", [3], Int8Array.of(1, -2, 3)), "[1,-2,3]"],
    ["bytes", BYTES, '[[{"b64":"aGVsbG8="},{"b64":"d29ybGQ="}],[{"b64":"dGY="},{"b64":"c2VydmluZw=="}]]'],
    ["texts", TEXTS, String.raw`[["foo","bar"],["baz","b\"\n"]]`],
    ["booleans", tensorOf("y", "BOOL", [2], Uint8Array.of(1, 0)), "[true,false]"],
    ["64-bit integers", tensorOf("y", "INT64", [1], BigInt64Array.of(-(2n ** 63n))), "[-9223372036854775808]"],
    [
      "unsigned 64-bit integers",
      tensorOf("y", "UINT64", [1], BigUint64Array.of(2n ** 64n - 1n)),
      "[18446744073709551615]",
    ],
    [
      "floats: short, whole ones with a point",
      tensorOf("y", "FP32", [2, 4], Float32Array.of(999999, 0.5, 0.2, -3, 0, -0, 16777216, 0.1)),
      "[[999999.0,0.5,0.2,-3.0],[0.0,-0.0,16777216.0,0.1]]",
    ],
    [
      "floats that are not finite",
      tensorOf("y", "FP32", [2, 2], Float32Array.of(Number.NaN, Infinity, 3, -Infinity)),
      "[[NaN,Infinity],[3.0,-Infinity]]",
    ],
    [
      "doubles",
      tensorOf("y", "FP64", [6], Float64Array.of(1, 0.1, -0, Number.NaN, 1e21, 2 ** 53)),
      "[1.0,0.1,-0.0,NaN,1e+21,9007199254740992.0]",
    ],
    ["rows without elements", tensorOf("y", "FP32", [2, 0], new Float32Array()), "[[],[]]"],
    ["rows of empty lists", tensorOf("y", "BOOL", [1, 2, 0], new Uint8Array()), "[[[],[]]]"],
  ];
  test.each(cases)("%s", (_name, tensor, nested) => {
    expect(predictions(tensor)).toBe(`{"predictions":${nested}}`);
    expect(outputs(tensor)).toBe(`{"outputs":${nested}}`);
  });

  test("a scalar stands alone in a column", () => {
    expect(outputs(tensorOf("y", "FP32", [], Float32Array.of(2)))).toBe('{"outputs":2.0}');
  });

  test("no rows are a column too", () => {
    expect(outputs(tensorOf("y", "INT8", [0, 2], new Int8Array()))).toBe('{"outputs":[]}');
  });
});

describe("several outputs", () => {
  const floats = tensorOf("f", "FP32", [2, 1], Float32Array.of(1, 2));
  const scalars = tensorOf('odd "name"', "FP64", [2], Float64Array.of(8, 9.5));

  test("each row is an object", () => {
    expect(JSON.parse(predictions(INTS, TEXTS, floats, scalars, BYTES))).toEqual({
      predictions: [
        {
          i: [
            [1, 2],
            [3, 4],
            [5, 6],
          ],
          s: ["foo", "bar"],
          f: [1],
          'odd "name"': 8,
          s_bytes: [{ b64: "aGVsbG8=" }, { b64: "d29ybGQ=" }],
        },
        {
          i: [
            [7, 8],
            [9, 0],
            [1, 2],
          ],
          s: ["baz", 'b"\n'],
          f: [2],
          'odd "name"': 9.5,
          s_bytes: [{ b64: "dGY=" }, { b64: "c2VydmluZw==" }],
        },
      ],
    });
  });

  test("the columns are one object", () => {
    expect(outputs(floats, scalars)).toBe(String.raw`{"outputs":{"f":[[1.0],[2.0]],"odd \"name\"":[8.0,9.5]}}`);
  });
});

test("any floats: each reads back as itself and as a decimal", () => {
  fc.assert(
    fc.property(fc.float32Array({ minLength: 1, noNaN: true, noDefaultInfinity: true }), (data) => {
      const { predictions: list } = parseExactly(predictions(tensorOf("y", "FP32", [data.length], data))) as {
        predictions: (number | WholeDecimal)[];
      };
      expect(list.every((value) => value instanceof WholeDecimal || !Number.isInteger(value))).toBe(true);
      expect(Float32Array.from(list, (value) => (value instanceof WholeDecimal ? value.value : value))).toEqual(data);
    }),
  );
});

describe("refused in rows", () => {
  const cases: [string, Tensor[], string][] = [
    ["a scalar", [tensorOf("y", "FP32", [], Float32Array.of(1))], "Tensor name: y has no shape information "],
    ["no rows", [tensorOf("y", "FP32", [0, 2], new Float32Array())], "Tensor name: y has invalid batch size: 0"],
    [
      "rows of different number",
      [INTS, tensorOf("y", "INT8", [1], Int8Array.of(1))],
      "Tensor name: y has inconsistent batch size: 1 expecting: 2",
    ],
    [
      "half floats",
      [tensorOf("y", "FP16", [1], Uint16Array.of(0))],
      "Failed to write JSON value for tensor type: half",
    ],
    [
      "16-bit unsigned integers",
      [tensorOf("y", "UINT16", [1], Uint16Array.of(0))],
      "Failed to write JSON value for tensor type: uint16",
    ],
  ];
  test.each(cases)("%s", (_name, tensors, message) => {
    expect(() => predictions(...tensors)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message }));
  });
});

describe("regressions", () => {
  test.each([[[3]], [[3, 1]]])("of shape %j", (shape) => {
    expect(encodeRegressions(tensorOf("y", "FP32", shape, Float32Array.of(0.2, Number.NaN, 1)), 3)).toBe(
      '{"results":[0.2,NaN,1.0]}',
    );
  });

  test.each([
    [[3, 2], 3, "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [3,2]"],
    [[2], 3, "Input batch size did not match output batch size: 3 vs. 2"],
  ])("not of shape %j for %d examples", (shape, examples, message) => {
    const output = tensorOf("y", "FP32", shape, new Float32Array(6));
    expect(() => encodeRegressions(output, examples)).toThrow(message);
  });
});

describe("classifications", () => {
  const labels = tensorOf("classes", "BYTES", [2, 3], ["car", "bike", "bus", "car", "bike", "bus"]);
  const scores = tensorOf("scores", "FP32", [2, 3], Float32Array.of(0.2, 0.7, 0.1, 0.7, 1, 0.2));
  const both: Specs = { classes: ["BYTES", -1, 3], scores: ["FP32", -1, 3] };
  const cases: [string, Specs, Tensor[], string][] = [
    [
      "labels and scores",
      both,
      [labels, scores],
      '[[["car",0.2],["bike",0.7],["bus",0.1]],[["car",0.7],["bike",1.0],["bus",0.2]]]',
    ],
    [
      "scores alone",
      { y: ["FP32", -1, 3] },
      [{ ...scores, name: "y" }],
      '[[["",0.2],["",0.7],["",0.1]],[["",0.7],["",1.0],["",0.2]]]',
    ],
    [
      "labels alone",
      { y: ["BYTES", -1, 3] },
      [{ ...labels, name: "y" }],
      '[[["car",0.0],["bike",0.0],["bus",0.0]],[["car",0.0],["bike",0.0],["bus",0.0]]]',
    ],
  ];
  test.each(cases)("%s", (_name, specs, tensors, results) => {
    const classification = findClassification(metadataOf({ x: ["FP32", -1] }, specs));
    expect(encodeClassifications(classification, tensors, 2)).toBe(`{"results":${results}}`);
  });

  const fewer = tensorOf("scores", "FP32", [2, 2], new Float32Array(4));
  const refused: [string, Tensor[], number, string][] = [
    [
      "as many labels as scores",
      [labels, fewer],
      2,
      "Tensors class and score should match in dim_size(1). Got 3 vs. 2",
    ],
    ["one row of labels per example", [labels, scores], 3, "Expected classes output batch size of 3. Got: 2"],
    [
      "one row of scores per example",
      [{ ...labels, shape: [1, 6] }, scores],
      1,
      "Expected scores output batch size of 1. Got: 2",
    ],
    [
      "two dimensions",
      [{ ...labels, shape: [6] }, scores],
      2,
      "Expected Tensor shape: [batch_size num_classes] but got [6]",
    ],
  ];
  test.each(refused)("must have %s", (_name, tensors, examples, message) => {
    const classification = findClassification(metadataOf({ x: ["FP32", -1] }, both));
    expect(() => encodeClassifications(classification, tensors, examples)).toThrow(message);
  });
});
