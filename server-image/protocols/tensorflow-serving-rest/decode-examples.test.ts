// Examples of classify and regress requests to tensors: features are inputs, one row per example.

import { describe, expect, test } from "vitest";

import { type FixedSizeDatatype, type Tensor, typedView } from "../../tensors/datatypes.ts";
import { decodeExamples } from "./decode-examples.ts";
import { metadataOf, type Specs } from "./test-model.ts";

function decode(body: string, inputs: Specs): unknown[] {
  return decodeExamples(Buffer.from(body), metadataOf(inputs)).map(show);
}

/** Name, shape and elements, as numbers where they are not texts. */
function show({ name, datatype, shape, data }: Tensor): unknown {
  return [name, shape, data instanceof Uint8Array ? typedView(datatype as FixedSizeDatatype, data) : data];
}

describe("taken", () => {
  const cases: [string, string, Specs, unknown[]][] = [
    [
      "a value is a list of one",
      '{"examples": [{"x": 80.0}, {"x": [81.5]}]}',
      { x: ["FP32", -1, 1] },
      [["x", [2, 1], Float32Array.of(80, 81.5)]],
    ],
    [
      "one value per row",
      '{"examples": [{"x": 1}, {"x": 2}]}',
      { x: ["FP32", -1] },
      [["x", [2], Float32Array.of(1, 2)]],
    ],
    [
      "several features, of different kinds",
      '{"examples": [{"names": ["foo", {"b64": "aGVsbG8="}], "ratings": [8.0, NaN], "age": 20, "flag": true}]}',
      { age: ["INT64", -1], names: ["BYTES", -1, 2], ratings: ["FP32", -1, 2], flag: ["BOOL", -1] },
      [
        ["age", [1], BigInt64Array.of(20n)],
        ["names", [1, 2], ["foo", "hello"]],
        ["ratings", [1, 2], Float32Array.of(8, Number.NaN)],
        ["flag", [1], Uint8Array.of(1)],
      ],
    ],
    [
      "what all examples share, unless they have their own",
      '{"context": {"q": "pizza", "n": 1}, "examples": [{"n": 2}, {}]}',
      { q: ["BYTES", -1], n: ["INT32", -1] },
      [
        ["q", [2], ["pizza", "pizza"]],
        ["n", [2], Int32Array.of(2, 1)],
      ],
    ],
    [
      "features that are no input",
      '{"examples": [{"x": 1.5, "y": "z"}]}',
      { x: ["FP32", -1] },
      [["x", [1], Float32Array.of(1.5)]],
    ],
    [
      "a flat list for inner dimensions",
      '{"examples": [{"x": [1, 2, 3, 4]}]}',
      { x: ["INT8", -1, 2, 2] },
      [["x", [1, 2, 2], Int8Array.of(1, 2, 3, 4)]],
    ],
    [
      "an inner dimension of any size",
      '{"examples": [{"x": [1, 2, 3, 4]}]}',
      { x: ["INT8", -1, -1, 2] },
      [["x", [1, 2, 2], Int8Array.of(1, 2, 3, 4)]],
    ],
    [
      "booleans among integers",
      '{"examples": [{"x": [5, true, false]}]}',
      { x: ["INT64", -1, 3] },
      [["x", [1, 3], BigInt64Array.of(5n, 1n, 0n)]],
    ],
    [
      "long integers",
      '{"examples": [{"x": 9223372036854775807}]}',
      { x: ["INT64", -1] },
      [["x", [1], BigInt64Array.of(2n ** 63n - 1n)]],
    ],
    [
      "the default signature by name",
      '{"signature_name": "serving_default", "examples": [{"x": 1.5}]}',
      { x: ["FP32", -1] },
      [["x", [1], Float32Array.of(1.5)]],
    ],
  ];
  test.each(cases)("%s", (_name, body, inputs, tensors) => {
    expect(decode(body, inputs)).toEqual(tensors);
  });
});

describe("refused", () => {
  const X: Specs = { x: ["FP32", -1] };
  const cases: [string, string, Specs, string | RegExp][] = [
    // From TensorFlow Serving's own tests.
    [
      "a signature that is no string",
      '{"signature_name": ["hello"], "examples": [{"x": 1}]}',
      X,
      /'signature_name' key must be a string value\.$/,
    ],
    ["a context that is no object", '{"context": [{"x": 1}]}', X, "Example must be JSON object but got JSON Array"],
    ["examples that are no list", '{"examples": {"x": 1}}', X, /Expecting 'examples' value to be an list\/array$/],
    ["an example that is no object", '{"examples": [[{"x": 1}]]}', X, "Example must be JSON object but got JSON Array"],
    ["null", '{"examples": [{"x": [10, null]}]}', X, "Feature: x has element with unexpected JSON type: Null"],
    [
      "integers and decimals",
      '{"examples": [{"x": [10, 10.0]}]}',
      X,
      "Unexpected element type in feature: x expecting type: int64",
    ],
    [
      "an object",
      '{"examples": [{"x": [10, {"test": 10}]}]}',
      X,
      "Feature: x has element with unexpected JSON type: Object",
    ],
    [
      "a list in a list",
      '{"examples": [{"x": [[10], 20]}]}',
      X,
      "Feature: x has element with unexpected JSON type: Array",
    ],
    [
      "unsigned integers",
      '{"examples": [{"x": [20, 18446744073709551603]}]}',
      X,
      "Feature: x has uint64 element. Only int64 is supported.",
    ],
    ["beyond a float", '{"examples": [{"x": 1.7976931348623157e+308}]}', X, /to float without loss of precision\.$/],
    // Its other rules.
    [
      "no examples key",
      "{}",
      X,
      "JSON Value: {} When method is classify, key 'examples' is expected and was not found",
    ],
    ["no examples", '{"examples": []}', X, /'examples' value is an empty array$/],
    [
      "another signature",
      '{"signature_name": "regress_x_to_y", "examples": [{"x": 1.5}]}',
      X,
      "No signature was found with the name: regress_x_to_y",
    ],
    [
      "a feature missing",
      '{"examples": [{"x": 1.5}, {"y": 1}]}',
      X,
      "Name: <unknown>, Feature: x (data type: float) is required but could not be found.",
    ],
    [
      "a text for a number",
      '{"examples": [{"x": 1.5}, {"x": "a"}]}',
      X,
      'Name: <unknown>, Key: x, Index: 1.  JSON Value: "a" Type: String is not of expected type: float',
    ],
    [
      "too many values",
      '{"examples": [{"x": [1, 2]}]}',
      X,
      "Name: <unknown>, Key: x.  Number of float values != expected.  Values size: 2 but output shape: []",
    ],
    [
      "values that fill no row",
      '{"examples": [{"x": [1, 2, 3]}]}',
      { x: ["FP32", -1, -1, 2] },
      /Values size: 3 but output shape: \[-1,2\]$/,
    ],
    [
      "examples of different lengths",
      '{"examples": [{"x": [1, 2]}, {"x": [1]}]}',
      { x: ["FP32", -1, -1] },
      /Index: 1\. {2}Expecting tensor size: 2 but got: 1$/,
    ],
    [
      "more examples than the model takes",
      '{"examples": [{"x": 1}, {"x": 2}]}',
      { x: ["FP32", 1] },
      'input "x": shape is [2]; the model takes [1]',
    ],
  ];
  test.each(cases)("%s", (_name, body, inputs, message) => {
    const expected = typeof message === "string" ? message : expect.stringMatching(message);
    expect(() => decode(body, inputs)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expected }),
    );
  });
});
