// Requests as other programs read them: JSON by the language, tensors by their bytes, messages by a protobuf library.

import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { difference, readOutputs } from "./answers.ts";
import { binaryRequest, grpcRequest, jsonRequest, modelInferRequest } from "./requests.ts";
import { sampleTensors } from "./sample-tensors.ts";

const inputs = sampleTensors(
  [
    { name: "x", type: "float32", shape: ["n", 300] },
    { name: "ids", type: "int64", shape: ["n", 2] },
  ],
  1,
);
const floats = Array.from(inputs[0]?.data as Float32Array);

test("JSON holds exactly the numbers", () => {
  const { inputs: sent } = JSON.parse(jsonRequest(inputs).body.toString());
  expect(sent[0]).toEqual({ name: "x", datatype: "FP32", shape: [1, 300], data: floats });
  expect(sent[1].data.map(BigInt)).toEqual(Array.from(inputs[1]?.data as BigInt64Array));
});

test("binary: the header says where the tensors begin, and they follow in the order listed", () => {
  const { headers, body } = binaryRequest(inputs);
  const length = Number(headers["inference-header-content-length"]);
  const header = JSON.parse(body.subarray(0, length).toString());
  expect(header.inputs.map((input: { parameters: unknown }) => input.parameters)).toEqual([
    { binary_data_size: 1200 },
    { binary_data_size: 16 },
  ]);
  expect(body.length).toBe(length + 1216);
  expect(body.readFloatLE(length + 4)).toBe(floats[1]);
});

test("a gRPC message is what a protobuf library reads with the public definition", () => {
  const definition = `
    syntax = "proto3"; package inference;
    message ModelInferRequest {
      message InferInputTensor { string name = 1; string datatype = 2; repeated int64 shape = 3; }
      string model_name = 1; repeated InferInputTensor inputs = 5; repeated bytes raw_input_contents = 7;
    }`;
  const type = protobuf.parse(definition, { keepCase: true }).root.lookupType("inference.ModelInferRequest");
  const message = type.toObject(type.decode(modelInferRequest(inputs)), { longs: Number });
  expect(message).toMatchObject({
    model_name: "bench",
    inputs: [
      { name: "x", datatype: "FP32", shape: [1, 300] },
      { name: "ids", datatype: "INT64", shape: [1, 2] },
    ],
  });
  expect(message["raw_input_contents"].map((bytes: Buffer) => bytes.length)).toEqual([1200, 16]);
});

test("a gRPC frame says that it is not compressed, and its length", () => {
  const { body } = grpcRequest(inputs);
  expect(body[0]).toBe(0);
  expect(body.readUInt32BE(1)).toBe(body.length - 5);
});

describe("answers", () => {
  const outputs = [{ name: "y", datatype: "FP32", shape: [1, 2], data: [0.5, -2] }];
  const expected = { y: [0.5, -2] };

  test("in JSON, flat or nested", () => {
    expect(readOutputs(Buffer.from(JSON.stringify({ outputs })), undefined)).toEqual(expected);
    const nested = [{ ...outputs[0], data: [[0.5, -2]] }];
    expect(readOutputs(Buffer.from(JSON.stringify({ outputs: nested })), undefined)).toEqual(expected);
  });

  test("in binary", () => {
    const tensors = [
      { name: "y", datatype: "FP32", shape: [1, 2], parameters: { binary_data_size: 8 } },
      { name: "z", datatype: "INT64", shape: [1], parameters: { binary_data_size: 8 } },
    ];
    const header = Buffer.from(JSON.stringify({ outputs: tensors }));
    const bytes = Buffer.alloc(16);
    bytes.writeFloatLE(0.5, 0);
    bytes.writeFloatLE(-2, 4);
    bytes.writeBigInt64LE(-7n, 8);
    expect(readOutputs(Buffer.concat([header, bytes]), header.length)).toEqual({ ...expected, z: [-7] });
  });

  test.each([
    ["equal", { y: [0.5, -2] }, undefined],
    ["other last digits", { y: [0.500_001, -2.000_01] }, undefined],
    ["another value", { y: [0.5, -2.1] }, 'output "y" has -2.1 at 1 in place of -2'],
    ["not a number", { y: [0.5, Number.NaN] }, 'output "y" has NaN at 1 in place of -2'],
    ["too few values", { y: [0.5] }, 'output "y" has 1 values in place of 2'],
    ["no such output", {}, 'output "y" has no values in place of 2'],
  ])("%s", (_name, answer, expectedDifference) => {
    expect(difference(answer, expected)).toBe(expectedDifference);
  });
});
