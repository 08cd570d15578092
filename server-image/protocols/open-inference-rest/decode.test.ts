// Binary requests without a server: where each tensor lies, parameters, raw requests, and every way to be refused.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { ModelMetadata } from "../../models/metadata.ts";
import { type TensorSpec, typedView } from "../../tensors/datatypes.ts";
import { decodeInferRequest } from "./decode.ts";
import { prepareModel } from "./prepared-model.ts";

function modelOf(inputs: TensorSpec[], outputs: TensorSpec[] = [{ name: "y", datatype: "FP32", shape: [-1] }]) {
  const metadata: ModelMetadata = { name: "m", version: "1", platform: "onnx_onnxv1", inputs, outputs };
  return prepareModel(metadata);
}

const X: TensorSpec = { name: "x", datatype: "FP32", shape: [-1, 2] };
const ONE = modelOf([X]);
const THREE = modelOf([
  X,
  { name: "ids", datatype: "INT64", shape: [-1] },
  { name: "t", datatype: "BYTES", shape: [-1] },
]);

const FOUR_FLOATS = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);

function head(name: string, datatype: string, shape: number[], size: unknown) {
  return { name, datatype, shape, parameters: { binary_data_size: size } };
}

function decode(model: ReturnType<typeof modelOf>, json: unknown, ...binary: Uint8Array[]) {
  const text = Buffer.from(typeof json === "string" ? json : JSON.stringify(json));
  return decodeInferRequest(Buffer.concat([text, ...binary]), String(text.length), model);
}

function dataOf(model: ReturnType<typeof modelOf>, json: unknown, ...binary: Uint8Array[]) {
  return decode(model, json, ...binary).inputs.map(({ data }) =>
    data instanceof Uint8Array ? Buffer.from(data).toString("hex") : data,
  );
}

describe("binary inputs", () => {
  test("lie in the memory of the body, at any place", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { maxLength: 20 }), fc.nat(9), (values, blanks) => {
        const floats = [...values, ...values];
        const json = `${JSON.stringify({ inputs: [head("x", "FP32", [values.length, 2], 8 * values.length)] })}${" ".repeat(blanks)}`;
        const body = Buffer.concat([Buffer.from(json), Buffer.from(Float32Array.from(floats).buffer)]);
        const [tensor] = decodeInferRequest(body, String(json.length), ONE).inputs;
        const data = tensor?.data as Uint8Array;
        expect(data.buffer).toBe(body.buffer);
        expect(typedView("FP32", data)).toEqual(Float32Array.from(floats));
      }),
    );
  });

  test("follow in the order in which the request lists them, JSON data between them", () => {
    const texts = Buffer.from("010000006100000000", "hex");
    const inputs = [
      head("t", "BYTES", [2], texts.length),
      { name: "ids", datatype: "INT64", shape: [1], data: [7] },
      head("x", "FP32", [2, 2], 16),
    ];
    expect(dataOf(THREE, { inputs }, texts, FOUR_FLOATS)).toEqual([
      ["a", ""],
      "0700000000000000",
      FOUR_FLOATS.toString("hex"),
    ]);
  });

  test("may be empty", () => {
    expect(dataOf(ONE, { inputs: [head("x", "FP32", [0, 2], 0)] })).toEqual([""]);
  });

  test("a head that was seen before is taken for the same, with other bytes behind it", () => {
    const json = { inputs: [head("x", "FP32", [2, 2], 16)], parameters: { priority: 3 } };
    const other = Buffer.alloc(16, 1);
    const first = decode(ONE, json, FOUR_FLOATS);
    const second = decode(ONE, json, other);
    expect(second).toEqual({ ...first, inputs: [{ ...first.inputs[0], data: other }] });
    expect(() => decode(ONE, json, other, Buffer.of(1))).toThrow(/unexpected additional input data: 1 byte/);
  });

  test("many heads, back and forth: each request gets its own", () => {
    const anyRequest = fc.record({
      rows: fc.nat(12),
      priority: fc.nat(3),
      id: fc.option(fc.constant("i"), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(anyRequest, { maxLength: 40 }), (requests) => {
        for (const { rows, priority, id } of requests) {
          const json = { id, inputs: [head("x", "FP32", [rows, 2], 8 * rows)], parameters: { priority } };
          expect(decode(ONE, json, Buffer.alloc(8 * rows))).toMatchObject({
            id,
            priority,
            inputs: [{ name: "x", shape: [rows, 2] }],
          });
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("the form of outputs", () => {
  const model = modelOf(
    [X],
    [
      { name: "a", datatype: "FP32", shape: [-1] },
      { name: "b", datatype: "FP16", shape: [-1] },
    ],
  );
  const forms = (json: object) =>
    decode(model, { inputs: [{ ...X, shape: [0, 2], data: [] }], ...json }).outputForms.map(({ name, binary }) => [
      name,
      binary,
    ]);
  const all = { parameters: { binary_data_output: true } };

  test.each([
    [
      "all binary",
      all,
      [
        ["a", true],
        ["b", true],
      ],
    ],
    [
      "all binary, none listed",
      { ...all, outputs: [] },
      [
        ["a", true],
        ["b", true],
      ],
    ],
    [
      "binary by default where listed",
      { ...all, outputs: [{ name: "b" }, { name: "a" }] },
      [
        ["b", true],
        ["a", true],
      ],
    ],
    [
      "one not",
      { ...all, outputs: [{ name: "b" }, { name: "a", parameters: { binary_data: false } }] },
      [
        ["b", true],
        ["a", false],
      ],
    ],
    ["one only", { outputs: [{ name: "b", parameters: { binary_data: true } }] }, [["b", true]]],
    ["JSON by default", { outputs: [{ name: "a" }] }, [["a", false]]],
  ])("%s", (_name, json, expected) => {
    expect(forms(json)).toEqual(expected);
  });

  test.each([
    ["half precision as JSON, none listed", {}],
    ["half precision as JSON, listed", { outputs: [{ name: "b" }] }],
    ["half precision as JSON, chosen", { ...all, outputs: [{ name: "b", parameters: { binary_data: false } }] }],
  ])("refused: %s", (_name, json) => {
    expect(() => forms(json)).toThrow(
      /output "b": FP16 has no JSON form in the protocol; ask for it with the parameter "binary_data"/,
    );
  });
});

describe("what a request may ask for", () => {
  const ask = (parameters: unknown, more: object = {}) =>
    decode(ONE, { inputs: [{ ...X, shape: [0, 2], data: [] }], parameters, ...more });

  test.each([
    ["priority", { priority: 2 }, { priority: 2 }],
    ["priority 0", { priority: 0 }, { priority: 0 }],
    ["a timeout in microseconds", { timeout: 2500 }, { timeoutMs: 2.5 }],
    ["timeout 0, which is none", { timeout: 0 }, { timeoutMs: undefined }],
    ["parameters that nobody knows", { sequence_id: 5, other: [1] }, { priority: undefined, timeoutMs: undefined }],
    ["null for what is left out", { priority: null, timeout: null }, { priority: undefined, timeoutMs: undefined }],
    ["null for all of them", null, { priority: undefined }],
    ["none", undefined, { priority: undefined, timeoutMs: undefined }],
  ])("%s", (_name, parameters, expected) => {
    expect(ask(parameters)).toMatchObject(expected);
  });

  test("null for the optional fields", () => {
    expect(ask(null, { id: null, outputs: null })).toMatchObject({ id: undefined, outputNames: ["y"] });
  });

  const integer = "must be an integer from 0 to 2^53 - 1";
  test.each([
    ["priority as text", { priority: "1" }, `the request: parameter "priority" ${integer}`],
    ["priority with a fraction", { priority: 1.5 }, `the request: parameter "priority" ${integer}`],
    ["priority below 0", { priority: -1 }, `the request: parameter "priority" ${integer}`],
    ["priority as flag", { priority: true }, `the request: parameter "priority" ${integer}`],
    ["timeout as text", { timeout: "5s" }, `the request: parameter "timeout" ${integer}`],
    ["timeout below 0", { timeout: -5 }, `the request: parameter "timeout" ${integer}`],
    [
      "binary_data_output as number",
      { binary_data_output: 1 },
      'the request: parameter "binary_data_output" must be true or false',
    ],
    ["a list of parameters", [], 'the request: "parameters" must be an object'],
    ["text for parameters", "a", 'the request: "parameters" must be an object'],
  ])("refused: %s", (_name, parameters, message) => {
    expect(() => ask(parameters)).toThrow(message);
  });
});

describe("refused", () => {
  const x = head("x", "FP32", [2, 2], 16);
  const cases: [string, unknown, Uint8Array[], RegExp][] = [
    [
      "a body too short",
      { inputs: [x] },
      [FOUR_FLOATS.subarray(1)],
      /input "x": its binary data should have 16 bytes \("binary_data_size"\), but 15 are left/,
    ],
    ["a body too long", { inputs: [x] }, [FOUR_FLOATS, Buffer.of(0)], /unexpected additional input data: 1 byte\(s\)/],
    [
      "binary bytes that no input takes",
      { inputs: [{ ...X, shape: [1, 2], data: [1, 2] }] },
      [FOUR_FLOATS],
      /additional input data: 16/,
    ],
    [
      "another size than the shape has",
      { inputs: [head("x", "FP32", [2, 2], 12)] },
      [FOUR_FLOATS.subarray(4)],
      /input "x": its binary data has 12 bytes; 4 element\(s\) of FP32 take 16/,
    ],
    [
      "data twice",
      { inputs: [{ ...x, data: [1, 2, 3, 4] }] },
      [FOUR_FLOATS],
      /input "x": both "data" and the parameter "binary_data_size" are given/,
    ],
    [
      "no data",
      { inputs: [{ ...x, parameters: {} }] },
      [FOUR_FLOATS],
      /input "x": "data" is missing, and so is the parameter "binary_data_size"/,
    ],
    [
      "a size as text",
      { inputs: [head("x", "FP32", [2, 2], "16")] },
      [FOUR_FLOATS],
      /input "x": parameter "binary_data_size" must be an integer/,
    ],
    [
      "a negative size",
      { inputs: [head("x", "FP32", [2, 2], -16)] },
      [FOUR_FLOATS],
      /"binary_data_size" must be an integer/,
    ],
    [
      "a size beyond integers",
      { inputs: [head("x", "FP32", [2, 2], 1e300)] },
      [FOUR_FLOATS],
      /"binary_data_size" must be an integer/,
    ],
    ["a size beyond the body", { inputs: [head("x", "FP32", [2, 2], 2 ** 53 - 1)] }, [FOUR_FLOATS], /but 16 are left/],
    [
      "parameters of an input that are no object",
      { inputs: [{ ...x, parameters: 16 }] },
      [FOUR_FLOATS],
      /input "x": "parameters" must be an object/,
    ],
    [
      "a shape that overflows",
      { inputs: [head("x", "FP32", [2 ** 52, 2], 16)] },
      [FOUR_FLOATS],
      /shape .* has too many elements/,
    ],
    [
      "binary_data as text",
      { inputs: [x], outputs: [{ name: "y", parameters: { binary_data: "yes" } }] },
      [FOUR_FLOATS],
      /output "y": parameter "binary_data" must be true or false/,
    ],
    [
      "shared memory",
      { inputs: [{ ...x, parameters: { shared_memory_region: "r" } }] },
      [],
      /input "x": parameter "shared_memory_region" is not supported/,
    ],
    [
      "classification",
      { inputs: [x], outputs: [{ name: "y", parameters: { classification: 2 } }] },
      [FOUR_FLOATS],
      /output "y": parameter "classification" is not supported/,
    ],
  ];
  test.each(cases)("%s", (_name, json, binary, message) => {
    expect(() => decode(ONE, json, ...binary)).toThrow(message);
  });

  test("a size without the header", () => {
    const body = Buffer.concat([Buffer.from(JSON.stringify({ inputs: [x] }))]);
    expect(() => decodeInferRequest(body, undefined, ONE)).toThrow(
      /Inference-Header-Content-Length must say where the JSON/,
    );
  });

  test.each(["-1", "+5", "1e1", "0x10", "12abc", "", " ", "99999999999", "9".repeat(400), "5, 5"])(
    "header %j",
    (value) => {
      expect(() => decodeInferRequest(Buffer.from("{}"), value, ONE)).toThrow(
        /^Inference-Header-Content-Length is ".*"; it must be the number of bytes of the JSON text at the beginning of the body, from 0 to 2$/,
      );
    },
  );

  test("the header twice", () => {
    expect(() => decodeInferRequest(Buffer.from("{}"), ["1", "2"], ONE)).toThrow(/^Inference-Header-Content-Length is/);
  });

  test("any header and any body: an answer or a refusal, never a fault", () => {
    const json = JSON.stringify({ inputs: [x] });
    const anyHeader = fc.oneof(fc.nat(200).map(String), fc.constant(String(json.length)), fc.string());
    const anyBody = fc.oneof(
      fc.uint8Array(),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.concat([Buffer.from(json), bytes])),
    );
    fc.assert(
      fc.property(anyHeader, anyBody, (header, body) => {
        try {
          decodeInferRequest(Buffer.from(body), header, ONE);
        } catch (error) {
          expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("raw requests", () => {
  const raw = (spec: Partial<TensorSpec>, body: Uint8Array) =>
    decodeInferRequest(Buffer.from(body), "0", modelOf([{ ...X, ...spec }]));

  const cases: [string, Partial<TensorSpec>, Uint8Array, number[]][] = [
    ["a fixed shape", { shape: [2, 2] }, FOUR_FLOATS, [2, 2]],
    ["a scalar", { shape: [] }, FOUR_FLOATS.subarray(4, 8), []],
    ["a batch", { shape: [-1, 2] }, FOUR_FLOATS, [2, 2]],
    ["a last dimension that varies", { shape: [2, -1] }, FOUR_FLOATS, [2, 2]],
    ["a batch of one, and another dimension that varies", { shape: [-1, 2, -1] }, FOUR_FLOATS, [1, 2, 2]],
    ["nothing", { shape: [-1, 2] }, Buffer.alloc(0), [0, 2]],
    ["one byte each", { shape: [-1], datatype: "UINT8" }, FOUR_FLOATS, [16]],
    ["half precision", { shape: [-1], datatype: "FP16" }, FOUR_FLOATS, [8]],
  ];
  test.each(cases)("%s", (...[, spec, body, shape]) => {
    const { inputs, outputForms, id } = raw(spec, body);
    expect(inputs).toEqual([{ name: "x", datatype: spec.datatype ?? "FP32", shape, data: Buffer.from(body) }]);
    expect(outputForms).toMatchObject([{ name: "y", binary: true }]);
    expect(id).toBeUndefined();
  });

  test.each([[[1]], [[-1]], [[-1, 1]]])("a text for shape %j", (shape) => {
    const { inputs } = raw({ datatype: "BYTES", shape }, Buffer.from("no length before it"));
    expect(inputs).toMatchObject([{ shape: shape.map(() => 1), data: ["no length before it"] }]);
  });

  const refusals: [string, Partial<TensorSpec>, Uint8Array, RegExp][] = [
    [
      "too few bytes",
      { shape: [3, 2] },
      FOUR_FLOATS,
      /input "x": its binary data has 16 bytes; 6 element\(s\) of FP32 take 24/,
    ],
    [
      "part of a row",
      { shape: [-1, 3] },
      FOUR_FLOATS,
      /a raw request must have a multiple of 3 element\(s\) of FP32 for shape \[-1, 3\]; it has 4/,
    ],
    [
      "part of an element",
      { shape: [-1] },
      FOUR_FLOATS.subarray(1),
      /multiple of 1 element\(s\) of FP32 for shape \[-1\]; it has 3.75/,
    ],
    [
      "an empty dimension beside one that varies",
      { shape: [-1, 0] },
      FOUR_FLOATS,
      /a raw request must have a multiple of 0/,
    ],
    ["two dimensions that vary", { shape: [2, -1, -1] }, FOUR_FLOATS, /cannot say which shape of \[2, -1, -1\] it has/],
    [
      "three dimensions that vary",
      { shape: [-1, -1, -1] },
      FOUR_FLOATS,
      /cannot say which shape of \[-1, -1, -1\] it has/,
    ],
    [
      "more than one text",
      { datatype: "BYTES", shape: [2] },
      FOUR_FLOATS,
      /a raw request has one text; the model takes shape \[2\]/,
    ],
    ["no text", { datatype: "BYTES", shape: [1] }, Buffer.of(0xff), /input "x" is no text/],
    [
      "no boolean",
      { datatype: "BOOL", shape: [-1] },
      Buffer.of(1, 3),
      /element 1 of its binary data is 3; BOOL takes 0 and 1/,
    ],
  ];
  test.each(refusals)("refused: %s", (...[, spec, body, message]) => {
    expect(() => raw(spec, body)).toThrow(message);
  });

  test("refused: a model with three inputs", () => {
    expect(() => decodeInferRequest(FOUR_FLOATS, "0", THREE)).toThrow(/needs a model with one input; this one has 3/);
  });
});
