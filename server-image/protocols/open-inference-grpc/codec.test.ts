// Requests and answers in protobuf: what protobufjs writes is read to the same values, and what does not fit is refused by name.

import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";

import type { ModelMetadata } from "../../models/metadata.ts";
import { DATATYPES, type Datatype, typedView } from "../../tensors/datatypes.ts";
import { decodeInferRequest } from "./decode.ts";
import { encodeInferResponse, encodeStreamError, encodeStreamResponse } from "./encode.ts";
import { readInferRequest } from "./infer-request.ts";
import { methodOf, SERVICE } from "./test-client.ts";

const { serialize } = methodOf(`${SERVICE}/ModelInfer`);
const { deserialize } = methodOf(`${SERVICE}/ModelInfer`);
const streamed = methodOf(`${SERVICE}/ModelStreamInfer`);

function modelOf(...inputs: [name: string, datatype: Datatype, shape: number[]][]): ModelMetadata {
  const specs = inputs.map(([name, datatype, shape]) => ({ name, datatype, shape }));
  return { name: "m", version: "3", platform: "onnx_onnxv1", inputs: specs, outputs: specs };
}

function decode(message: Uint8Array, metadata: ModelMetadata) {
  return decodeInferRequest(readInferRequest(message, { inputs: 4, outputs: 4 }), metadata);
}

const INT = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const UINT = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });

/** Field of InferTensorContents and any value for it, by datatype. */
const TYPED: Record<Exclude<Datatype, "FP16">, [field: string, value: fc.Arbitrary<unknown>]> = {
  BOOL: ["bool_contents", fc.boolean()],
  INT8: ["int_contents", INT(8)],
  INT16: ["int_contents", INT(16)],
  INT32: ["int_contents", INT(32)],
  INT64: ["int64_contents", fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  UINT8: ["uint_contents", UINT(8)],
  UINT16: ["uint_contents", UINT(16)],
  UINT32: ["uint_contents", UINT(32)],
  UINT64: ["uint64_contents", fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  FP32: ["fp32_contents", fc.float()],
  FP64: ["fp64_contents", fc.double()],
  BYTES: ["bytes_contents", fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"))],
};
const TYPES = Object.entries(TYPED) as [Exclude<Datatype, "FP16">, [string, fc.Arbitrary<unknown>]][];

/** As protobufjs takes it. */
function toWire(value: unknown): unknown {
  if (typeof value === "bigint") {
    return protobuf.util.LongBits.fromHash(hashOf(value)).toLong(value >= 2n ** 63n);
  }
  return typeof value === "string" ? Buffer.from(value) : value;
}

function hashOf(value: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes.toString("latin1");
}

function valuesOf(datatype: Datatype, data: Uint8Array | readonly string[]): unknown[] {
  const values = data instanceof Uint8Array ? [...typedView(datatype as "FP32", data)] : [...data];
  return datatype === "BOOL" ? values.map(Boolean) : values;
}

describe("typed contents of any values", () => {
  test.each(TYPES)("%s", (datatype, [field, value]) => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), (values) => {
        const contents = { [field]: values.map(toWire) };
        const input = { name: "x", datatype, shape: [values.length], contents };
        const message = serialize({ model_name: "m", inputs: [input] });
        const { inputs } = decode(message, modelOf(["x", datatype, [-1]]));
        expect(inputs[0]).toMatchObject({ name: "x", datatype, shape: [values.length] });
        expect(valuesOf(datatype, inputs[0]!.data)).toEqual(values);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ["FP32", [Buffer.from("350000803f", "hex"), Buffer.from("3500000040", "hex")], [1, 2]],
    ["INT32", [Buffer.from("1005", "hex"), Buffer.from("10ffffffffffffffffff01", "hex")], [5, -1]],
    ["BOOL", [Buffer.from("0801", "hex"), Buffer.from("0800", "hex")], [true, false]],
    ["UINT64", [Buffer.from("28ffffffffffffffffff01", "hex"), Buffer.from("2805", "hex")], [2n ** 64n - 1n, 5n]],
  ] as const)("%s one by one, as proto2 clients write them", (datatype, elements, values) => {
    const { inputs } = decode(withContents(datatype, 2, Buffer.concat(elements)), modelOf(["x", datatype, [-1]]));
    expect(valuesOf(datatype, inputs[0]!.data)).toEqual(values);
  });

  test("in pieces, packed and not, and in two messages that belong together", () => {
    const one = Buffer.from("0a0101", "hex");
    const pieces = Buffer.concat([one, Buffer.from("0800", "hex"), one]);
    const input = Buffer.concat([headOf("BOOL", 4), delimited(5, pieces), delimited(5, one)]);
    const { inputs } = decode(delimited(5, input), modelOf(["x", "BOOL", [-1]]));
    expect(valuesOf("BOOL", inputs[0]!.data)).toEqual([true, false, true, true]);
  });

  test("floats in one piece stay where they are", () => {
    const message = serialize({
      inputs: [{ name: "x", datatype: "FP32", shape: [2], contents: { fp32_contents: [1, 2] } }],
    });
    const { data } = decode(message, modelOf(["x", "FP32", [-1]])).inputs[0]!;
    expect((data as Uint8Array).buffer).toBe(message.buffer);
  });
});

function delimited(field: number, bytes: Uint8Array): Buffer {
  return Buffer.from(
    protobuf.Writer.create()
      .uint32((field << 3) | 2)
      .bytes(bytes)
      .finish(),
  );
}

function headOf(datatype: string, size: number): Buffer {
  return Buffer.concat([
    delimited(1, Buffer.from("x")),
    delimited(2, Buffer.from(datatype)),
    delimited(3, Buffer.of(size)),
  ]);
}

/** A request whose one input has the given bytes as contents. */
function withContents(datatype: string, size: number, contents: Uint8Array): Buffer {
  return delimited(5, Buffer.concat([headOf(datatype, size), delimited(5, contents)]));
}

describe("raw contents", () => {
  const fixed = DATATYPES.filter((datatype) => datatype !== "BYTES");
  test.each(fixed)("%s stays where it is", (datatype) => {
    const raw = Buffer.alloc(16, 1);
    const size = 16 / (typedView(datatype, new Uint8Array(16)).BYTES_PER_ELEMENT ?? 1);
    const message = serialize({ inputs: [{ name: "x", datatype, shape: [size] }], raw_input_contents: [raw] });
    const { data } = decode(message, modelOf(["x", datatype, [-1]])).inputs[0]!;
    expect([...(data as Uint8Array)]).toEqual([...raw]);
    expect((data as Uint8Array).buffer).toBe(message.buffer);
  });

  test("each belongs to the input at its place", () => {
    const inputs = ["a", "b"].map((name) => ({ name, datatype: "UINT8", shape: [1] }));
    const message = serialize({ inputs, raw_input_contents: [Buffer.of(1), Buffer.of(2)] });
    const decoded = decode(message, modelOf(["b", "UINT8", [1]], ["a", "UINT8", [1]]));
    expect(decoded.inputs.map(({ name, data }) => [name, ...data])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });
});

describe("refused by name", () => {
  const metadata = modelOf(["x", "FP32", [-1, 2]]);
  const x = { name: "x", datatype: "FP32", shape: [1, 2] };
  const typed = (datatype: Datatype, contents: object, shape = [2]) =>
    [modelOf(["x", datatype, [-1]]), { inputs: [{ name: "x", datatype, shape, contents }] }] as const;
  const cases: [string, ModelMetadata, object, RegExp][] = [
    ["no input", metadata, {}, /missing "x" \(FP32 \[-1, 2\]\)/],
    ["an unknown input", metadata, { inputs: [{ ...x, name: "z" }] }, /input "z": the model has no such input/],
    ["an input twice", modelOf(["x", "FP32", [2]], ["y", "FP32", [2]]), { inputs: [x, x] }, /input "x" already exists/],
    ["too many inputs", metadata, { inputs: [x, x, x] }, /"inputs" has 3 elements; the model has 1 input/],
    [
      "an unknown output",
      metadata,
      { inputs: [x], outputs: [{ name: "q" }] },
      /output "q": the model has no such output/,
    ],
    [
      "another datatype",
      metadata,
      { inputs: [{ ...x, datatype: "FP64" }] },
      /datatype is "FP64"; the model takes FP32/,
    ],
    ["no datatype", metadata, { inputs: [{ ...x, datatype: "" }] }, /datatype is ""; the model takes FP32/],
    ["another shape", metadata, { inputs: [{ ...x, shape: [1, 3] }] }, /shape is \[1, 3\]; the model takes \[-1, 2\]/],
    [
      "a negative size",
      metadata,
      { inputs: [{ ...x, shape: [-1, 2] }] },
      /dimension 0 of "shape" must be an integer from 0/,
    ],
    ["a shape whose product overflows", metadata, { inputs: [{ ...x, shape: [2 ** 50, 2] }] }, /too many elements/],
    ["too many dimensions", metadata, { inputs: [{ ...x, shape: Array.from({ length: 50 }).fill(1) }] }, /at most 32/],
    ["no data", metadata, { inputs: [x] }, /"fp32_contents" has too few elements; the shape takes 2/],
    [
      "raw and typed",
      metadata,
      { inputs: [{ ...x, contents: {} }], raw_input_contents: [Buffer.alloc(8)] },
      /input "x": "contents" must not be set where "raw_input_contents" is/,
    ],
    [
      "more raw than inputs",
      metadata,
      { inputs: [x], raw_input_contents: [Buffer.alloc(8), Buffer.alloc(8)] },
      /"raw_input_contents" has 2 elements; it must have one for each of the 1 input/,
    ],
    [
      "raw of another size",
      metadata,
      { inputs: [x], raw_input_contents: [Buffer.alloc(7)] },
      /input "x": its binary data has 7 bytes; 2 element\(s\) of FP32 take 8/,
    ],
    [
      "raw BYTES cut off",
      modelOf(["x", "BYTES", [1]]),
      {
        inputs: [{ name: "x", datatype: "BYTES", shape: [1] }],
        raw_input_contents: [Buffer.from("05000000ab", "hex")],
      },
      /must be 1 element\(s\) of BYTES in exactly 5 bytes/,
    ],
    [
      "typed FP16",
      ...typed("FP16", { fp32_contents: [1, 2] }),
      /FP16 has no field in "contents"; send it in "raw_input/,
    ],
    ["too few", ...typed("FP32", { fp32_contents: [1] }), /"fp32_contents" has too few elements; the shape takes 2/],
    [
      "too many",
      ...typed("FP32", { fp32_contents: [1, 2, 3] }),
      /"fp32_contents" has too many elements; the shape takes 2/,
    ],
    [
      "too few of small numbers",
      ...typed("INT8", { int_contents: [1] }),
      /"int_contents" has 1 elements; the shape takes 2/,
    ],
    [
      "too many of small numbers",
      ...typed("INT8", { int_contents: [1, 2, 3] }),
      /"int_contents" has too many elements/,
    ],
    [
      "too many texts",
      ...typed("BYTES", { bytes_contents: ["YQ==", "YQ==", "YQ=="] }),
      /"bytes_contents" has too many/,
    ],
    ["a text with NUL", ...typed("BYTES", { bytes_contents: ["YQ==", "AA=="] }), /x": element 1 is no text/],
    [
      "another field",
      ...typed("FP32", { int_contents: [1, 2] }),
      /FP32 belongs in "fp32_contents" of "contents", not in "int_contents"/,
    ],
    [
      "another field as well",
      ...typed("INT32", { int_contents: [1, 2], bytes_contents: ["YQ=="] }),
      /INT32 belongs in "int_contents" of "contents", not in "bytes_contents"/,
    ],
    ["beyond INT8", ...typed("INT8", { int_contents: [1, 128] }), /element 1 is 128, which INT8 cannot hold/],
    ["below INT16", ...typed("INT16", { int_contents: [1, -32769] }), /element 1 is -32769, which INT16 cannot hold/],
    ["beyond UINT8", ...typed("UINT8", { uint_contents: [256, 1] }), /element 0 is 256, which UINT8 cannot hold/],
    [
      "a shape that asks for memory",
      ...typed("INT64", { int64_contents: [1] }, [2 ** 39]),
      /"int64_contents" has too few elements; the shape takes 549755813888/,
    ],
    [
      "shared memory",
      metadata,
      { inputs: [{ ...x, parameters: { shared_memory_region: { string_param: "r" } } }] },
      /input "x": parameter "shared_memory_region" is not supported/,
    ],
    [
      "classification",
      metadata,
      { inputs: [x], outputs: [{ name: "x", parameters: { classification: { int64_param: 2 } } }] },
      /output "x": parameter "classification" is not supported/,
    ],
    [
      "a timeout in words",
      metadata,
      { inputs: [x], parameters: { timeout: { string_param: "1 s" } } },
      /parameter "timeout" must be an int64 or uint64 from 0/,
    ],
    [
      "a negative priority",
      metadata,
      { inputs: [x], parameters: { priority: { int64_param: -1 } } },
      /parameter "priority" must be an int64 or uint64 from 0/,
    ],
  ];
  test.each(cases)("%s", (...[, model, request, message]) => {
    expect(() => decode(serialize(request as Record<string, unknown>), model)).toThrow(message);
  });
});

test("parameters that mean something here are read, others ignored", () => {
  const x = { name: "x", datatype: "UINT8", shape: [1], contents: { uint_contents: [1] } };
  const parameters = {
    timeout: { int64_param: 2500 },
    priority: { uint64_param: 7 },
    sequence_id: { int64_param: 5 },
    "": { bool_param: true },
  };
  const request = { inputs: [{ ...x, parameters: { a: { double_param: 1 } } }], parameters };
  const decoded = decode(serialize(request), modelOf(["x", "UINT8", [1]]));
  expect(decoded).toMatchObject({ priority: 7, timeoutMs: 2.5 });
  const forever = serialize({ ...request, parameters: { timeout: { int64_param: 0 } } });
  expect(decode(forever, modelOf(["x", "UINT8", [1]]))).toMatchObject({ priority: undefined, timeoutMs: undefined });
});

describe("hostile bytes", () => {
  test("any bytes are a request or refused", () => {
    const metadata = modelOf(["x", "INT32", [-1]], ["t", "BYTES", [-1]]);
    const valid = serialize({
      model_name: "m",
      inputs: [{ name: "x", datatype: "INT32", shape: [2], contents: { int_contents: [1, -2] } }],
      parameters: { priority: { int64_param: 3 } },
      raw_input_contents: [Buffer.from("abc")],
    });
    const damaged = fc.tuple(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length)).map(([at, byte, end]) => {
      const bytes = Buffer.from(valid);
      bytes[at] = byte;
      return bytes.subarray(0, end);
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged), (bytes) => {
        try {
          decode(bytes, metadata);
        } catch (error) {
          expect(error).toMatchObject({ name: "InferenceError", code: "INVALID_ARGUMENT" });
        }
      }),
      { numRuns: 3000 },
    );
  });

  const broken = /is not a valid protobuf message/;
  test.each([
    ["a length beyond the end", Buffer.from("2aff01", "hex"), broken],
    ["a name beyond the end", Buffer.from("0a056162", "hex"), broken],
    ["a varint without end", Buffer.alloc(20, 0xff), broken],
    ["groups in groups without end", Buffer.alloc(100_000, 0x0b), broken],
    ["a number without end", withContents("INT64", 1, Buffer.from("1aff", "hex")), broken],
    ["a packed field that ends inside a number", withContents("INT64", 1, Buffer.from("1a01ff1a0101", "hex")), broken],
  ])("%s", (_name, bytes, message) => {
    expect(() => decode(bytes, modelOf(["x", "INT64", [-1]]))).toThrow(message);
  });

  test("a million inputs and parameters take no more memory than the model's", () => {
    const inputs = Buffer.concat(Array.from({ length: 1_000_000 }, () => Buffer.from("2a00", "hex")));
    const parameters = Buffer.concat(Array.from({ length: 1_000_000 }, () => Buffer.from("2200", "hex")));
    const request = readInferRequest(Buffer.concat([inputs, parameters]), { inputs: 3, outputs: 3 });
    expect(request.inputs).toHaveLength(3);
    expect(request.parameters.size).toBe(0);
  });
});

describe("answers", () => {
  const metadata = modelOf(["x", "FP32", [-1]]);
  const outputs = [
    { name: "x", datatype: "FP32", shape: [2, 300], data: Buffer.from("abcd") },
    { name: "ä", datatype: "BYTES", shape: [], data: ["hé"] },
    { name: "empty", datatype: "INT8", shape: [0], data: new Uint8Array(0) },
  ] as const;
  const expected = {
    model_name: "m",
    model_version: "3",
    outputs: [
      { name: "x", datatype: "FP32", shape: [2, 300] },
      { name: "ä", datatype: "BYTES", shape: [] },
      { name: "empty", datatype: "INT8", shape: [0] },
    ],
    raw_output_contents: [Buffer.from("abcd"), Buffer.from("\u0003\0\0\0hé"), Buffer.alloc(0)],
  };

  test("with the data raw", () => {
    expect(deserialize(encodeInferResponse({ metadata, id: "i", outputs }))).toMatchObject({ ...expected, id: "i" });
  });

  test("without an id where the request had none", () => {
    expect(deserialize(encodeInferResponse({ metadata, id: "", outputs: [] }))).toMatchObject({ id: "" });
  });

  test("on a stream", () => {
    expect(streamed.deserialize(encodeStreamResponse({ metadata, id: "i", outputs }))).toMatchObject({
      error_message: "",
      infer_response: { ...expected, id: "i", parameters: { triton_final_response: { bool_param: true } } },
    });
  });

  test("an error on a stream", () => {
    expect(streamed.deserialize(encodeStreamError("no", "i"))).toMatchObject({
      error_message: "no",
      infer_response: { id: "i", outputs: [] },
    });
  });
});
