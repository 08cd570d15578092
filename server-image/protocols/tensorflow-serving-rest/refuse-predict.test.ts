// Predict requests that TensorFlow Serving refuses: refused here too, in its words.

import { describe, expect, test } from "vitest";

import type { InferenceErrorCode } from "../../inference-error.ts";
import { decodePredictRequest } from "./decode-predict.ts";
import { metadataOf, type Specs } from "./test-model.ts";

function decode(body: string, inputs: Specs) {
  return decodePredictRequest(Buffer.from(body), metadataOf(inputs));
}

type Refusal = [name: string, body: string, inputs: Specs, message: string | RegExp, code?: InferenceErrorCode];

const INTS: Specs = { x: ["INT32", -1, -1] };
const FLOATS: Specs = { x: ["FP32", -1] };
const TWO: Specs = { b: ["INT32", -1], a: ["BYTES", -1] };
const ELEMENT = "Failed to process element:";

describe("refused in TensorFlow Serving's words", () => {
  const cases: Refusal[] = [
    ["no body", "", INTS, "JSON Parse error: The document is empty"],
    ["no JSON", "instances = [1, 2]", INTS, "JSON Parse error: Invalid value. at offset: 0"],
    ["no object", "[1]", INTS, "JSON Value: [\n    1\n] Is not object"],
    ["no form", '{"input": [1]}', INTS, "Missing 'inputs' or 'instances' key"],
    [
      "both forms",
      '{"instances": [1], "inputs": [1]}',
      FLOATS,
      /^JSON Value: \{\n {4}"instances": \[\n {8}1\n {4}\],\n.*Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist $/s,
    ],
    [
      "a signature that is no string",
      '{"signature_name": 5, "instances": [1]}',
      FLOATS,
      /not formatted correctly\. 'signature_name' key must be a string value\.$/,
    ],
    [
      "another signature",
      '{"signature_name": "predict_images", "instances": [1]}',
      FLOATS,
      'Serving signature name: "predict_images" not found in signature def',
    ],
    ["a model without inputs", '{"instances": [1]}', {}, "Failed to get input map for signature: DEFAULT"],
    ["instances that are no list", '{"instances": {"x": 1}}', FLOATS, /Excepting 'instances' to be an list\/array$/],
    ["no instances", '{"instances": []}', FLOATS, /No values in 'instances' array$/],
    [
      "a plain list for several inputs",
      '{"instances": [1]}',
      TWO,
      "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map",
    ],
    [
      "a plain column for several inputs",
      '{"inputs": [1]}',
      TWO,
      "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map",
    ],
    [
      "a list among objects",
      '{"instances": [{"a": "x", "b": 1}, [1, 20, 30]]}',
      TWO,
      "Expecting object but got list at item 1 of input list",
    ],
    [
      "an object among lists",
      '{"instances": [1, {"x": 2}]}',
      FLOATS,
      "Expecting value/list but got object at item 1 of input list",
    ],
    [
      "an object of base64 among objects",
      '{"instances": [{"a": "x", "b": 1}, {"b64": "aGk="}]}',
      TWO,
      "Expecting object but got list at item 1 of input list",
    ],
    [
      "an unknown name in a row",
      '{"instances": [{"a": "x", "b": 1, "c": 2}]}',
      TWO,
      `${ELEMENT} 0 key: c of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: c`,
    ],
    [
      "a name missing in a row",
      '{"instances": [{"a": "x", "b": 1}, {"a": "y"}]}',
      TWO,
      `${ELEMENT} 1 of 'instances' list. JSON object: {\n    "a": "y"\n} must only have keys: a,b`,
    ],
    ["a column missing", '{"inputs": {"a": ["x"]}}', TWO, "Missing named input: b in 'inputs' object."],
    [
      "rows of different lengths",
      '{"instances": [[1,2],[3,4],[5,6,7]]}',
      INTS,
      `${ELEMENT} 2 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 3`,
    ],
    [
      "rows of different shapes",
      '{"instances": [[1,2],[3,4],[[5,6]]]}',
      INTS,
      /Error: INVALID_ARGUMENT: Expecting shape \[2\] but got: \[1,2\]$/,
    ],
    ["rows of different depths", '{"instances": [[1,2],[[3],[4]]]}', INTS, /Expecting shape \[2\] but got: \[2,1\]$/],
    [
      "a list among scalars",
      '{"instances": [1, [1]]}',
      FLOATS,
      `${ELEMENT} 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [] but got: [1]`,
    ],
    ["a scalar among lists", '{"instances": [[1], 1]}', INTS, /Expecting shape \[1\] but got: \[\]$/],
    [
      "a ragged row",
      '{"instances": [[[1,2],[3]]]}',
      INTS,
      /Encountered list at unexpected size: 1 at level: 1 expected size: 2$/,
    ],
    [
      "a ragged column",
      '{"inputs": [[1,2],[3]]}',
      INTS,
      "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ],
    [
      "a value beside a list",
      '{"inputs": [[1,2],3]}',
      INTS,
      "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ],
    ["a list beside a value", '{"inputs": [[1,[2]]]}', INTS, "Encountered list at unexpected level: 2 expected < 2"],
    [
      "a text for a number",
      '{"instances": [[1,2],["a", "b"]]}',
      INTS,
      `${ELEMENT} 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: "a" Type: String is not of expected type: int32`,
    ],
    [
      "a text for a float",
      '{"instances": ["x", "y"]}',
      FLOATS,
      `${ELEMENT} 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: "x" Type: String is not of expected type: float`,
    ],
    [
      "the text NaN",
      '{"instances": ["NaN"]}',
      FLOATS,
      /JSON Value: "NaN" Type: String is not of expected type: float$/,
    ],
    ["null", '{"inputs": [null]}', FLOATS, "JSON Value: null Type: Null is not of expected type: float"],
    [
      "a boolean for a float",
      '{"inputs": [true]}',
      FLOATS,
      "JSON Value: true Type: True is not of expected type: float",
    ],
    [
      "1 for a boolean",
      '{"inputs": [1]}',
      { x: ["BOOL", -1] },
      "JSON Value: 1 Type: Number is not of expected type: bool",
    ],
    [
      "a number for a text",
      '{"inputs": [1.5]}',
      { x: ["BYTES", -1] },
      "JSON Value: 1.5 Type: Number is not of expected type: string",
    ],
    [
      "an object for a number",
      '{"inputs": [{"b64": "aGk="}]}',
      FLOATS,
      'JSON Value: {\n    "b64": "aGk="\n} Type: Object is not of expected type: float',
    ],
    [
      "base64 with another key",
      '{"inputs": [{"b64": "aGk=", "x": 1}]}',
      { x: ["BYTES", -1] },
      /^JSON Value: \{.*\} not formatted correctly for base64 data$/s,
    ],
    [
      "base64 that is no text",
      '{"inputs": [{"b64": 5}]}',
      { x: ["BYTES", -1] },
      /not formatted correctly for base64 data$/,
    ],
    ["base64 cut off", '{"inputs": [{"b64": "aGVsb"}]}', { x: ["BYTES", -1] }, "Unable to base64 decode"],
    ["base64 with wrong padding", '{"inputs": [{"b64": "aGk=="}]}', { x: ["BYTES", -1] }, "Unable to base64 decode"],
    ["base64 of another alphabet", '{"inputs": [{"b64": "_-__"}]}', { x: ["BYTES", -1] }, "Unable to base64 decode"],
    [
      "base64 of no text",
      '{"inputs": [{"b64": "/9g="}]}',
      { x: ["BYTES", -1] },
      /is no text; BYTES takes valid UTF-8 without NUL$/,
    ],
    [
      "a text with NUL",
      '{"inputs": ["a\\u0000b"]}',
      { x: ["BYTES", -1] },
      'JSON Value: "a\\u0000b" is no text that the model can take: it has a NUL',
    ],
    [
      "half a character",
      '{"inputs": ["\\ud800"]}',
      { x: ["BYTES", -1] },
      "JSON Parse error: The surrogate pair in string is invalid. at offset: 13",
    ],
    [
      "1.0 for an integer",
      '{"inputs": [1, 2.0]}',
      { x: ["INT32", -1] },
      "JSON Value: 2.0 Type: Number is not of expected type: int32",
    ],
    [
      "1e0 for an integer",
      '{"inputs": [1e0]}',
      { x: ["INT64", -1] },
      "JSON Value: 1.0 Type: Number is not of expected type: int64",
    ],
    [
      "a fraction for an integer",
      '{"inputs": [1.5]}',
      { x: ["UINT32", -1] },
      "JSON Value: 1.5 Type: Number is not of expected type: uint32",
    ],
    [
      "too large for 32 bits",
      '{"inputs": [2147483648]}',
      { x: ["INT32", -1] },
      "JSON Value: 2147483648 Type: Number is not of expected type: int32",
    ],
    [
      "too large for 8 bits",
      '{"inputs": [256]}',
      { x: ["UINT8", -1] },
      "JSON Value: 256 Type: Number is not of expected type: uint8",
    ],
    [
      "negative for unsigned",
      '{"inputs": [-1]}',
      { x: ["UINT64", -1] },
      "JSON Value: -1 Type: Number is not of expected type: uint64",
    ],
    [
      "too large for 64 bits",
      '{"inputs": [9223372036854775808]}',
      { x: ["INT64", -1] },
      "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64",
    ],
    [
      "an integer that a float rounds",
      '{"inputs": [16777217]}',
      FLOATS,
      "Cannot convert JSON value: 16777217 to float without loss of precision.",
    ],
    [
      "an integer that a double rounds",
      '{"inputs": [9007199254740993]}',
      { x: ["FP64", -1] },
      "Cannot convert JSON value: 9007199254740993 to double without loss of precision.",
    ],
    [
      "beyond a float",
      '{"inputs": [1.7976931348623157e+308]}',
      FLOATS,
      "Cannot convert JSON value: 1.7976931348623157e+308 to float without loss of precision.",
    ],
    [
      "beyond a double",
      '{"inputs": [1e400]}',
      FLOATS,
      "JSON Parse error: Number too big to be stored in double. at offset: 12",
    ],
    [
      "half floats in a column",
      '{"inputs": [1.5]}',
      { x: ["FP16", -1] },
      "Conversion of JSON Value: 1.5 to type: half",
      "UNSUPPORTED",
    ],
    [
      "half floats in a row",
      '{"instances": [1.5]}',
      { x: ["FP16", -1] },
      `${ELEMENT} 0 of 'instances' list. Error: UNIMPLEMENTED: Conversion of JSON Value: 1.5 to type: half`,
    ],
    [
      "16-bit unsigned integers",
      '{"inputs": [1]}',
      { x: ["UINT16", -1] },
      "Conversion of JSON Value: 1 to type: uint16",
      "UNSUPPORTED",
    ],
    [
      "a shape that the model does not take",
      '{"instances": [[1, 2]]}',
      { x: ["FP32", -1, 3] },
      'input "x": shape is [1, 2]; the model takes [-1, 3] (-1: any size)',
    ],
    [
      "rows for a model of scalars",
      '{"instances": [1]}',
      { x: ["FP32"] },
      'input "x": shape is [1]; the model takes []',
    ],
    [
      "JSON nested too deep",
      `{"inputs": ${"[".repeat(101)}`,
      FLOATS,
      "the body's JSON is nested deeper than 100 levels",
    ],
    [
      "more than the message shows",
      `{"inputs": ["${"a".repeat(5000)}"]}`,
      FLOATS,
      /^JSON Value: "a{199}\.\.\. Type: String is not of expected type: float$/,
    ],
  ];
  test.each(cases)("%s", (...[, body, inputs, message, code = "INVALID_ARGUMENT"]) => {
    const expected = typeof message === "string" ? message : expect.stringMatching(message);
    expect(() => decode(body, inputs)).toThrow(expect.objectContaining({ code, message: expected }));
  });
});

test("no memory is taken for what the nesting only seems to say", () => {
  const wide = `[${"0,".repeat(100_000)}0]`;
  const body = `{"instances": [${wide}${",[]".repeat(100_000)}]}`;
  expect(() => decode(body, INTS)).toThrow(/Expecting tensor size: 100001 but got: 0/);
});
