// Inference requests of the Open Inference Protocol, as clients of it send them: JSON, binary tensors, gRPC.

import type { HttpLoad } from "./load/http-load.ts";
import { bytesOf, type SampleTensor } from "./sample-tensors.ts";

/** The name under which every server serves its model here. */
export const modelName = "bench";

const inferPath = `/v2/models/${modelName}/infer`;

/** All numbers written out; floats with the digits of a double, as most clients write them. */
export function jsonRequest(inputs: readonly SampleTensor[]): HttpLoad {
  const body = JSON.stringify({
    inputs: inputs.map((tensor) => ({
      ...describe(tensor),
      data: Array.from<number | bigint>(tensor.data).map(Number),
    })),
  });
  return { path: inferPath, headers: { "content-type": "application/json" }, body: Buffer.from(body) };
}

/** Tensors as bytes behind a short JSON part, and the answer in the same form. */
export function binaryRequest(inputs: readonly SampleTensor[]): HttpLoad {
  const header = Buffer.from(
    JSON.stringify({
      inputs: inputs.map((tensor) => ({
        ...describe(tensor),
        parameters: { binary_data_size: tensor.data.byteLength },
      })),
      parameters: { binary_data_output: true },
    }),
  );
  return {
    path: inferPath,
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(header.length),
    },
    body: Buffer.concat([header, ...inputs.map(bytesOf)]),
  };
}

/** ModelInfer with raw contents, in the frame that gRPC puts around a message: no compression, then the length. */
export function grpcRequest(inputs: readonly SampleTensor[]): HttpLoad {
  const message = modelInferRequest(inputs);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return {
    path: "/inference.GRPCInferenceService/ModelInfer",
    headers: { "content-type": "application/grpc", te: "trailers" },
    body: Buffer.concat([frame, message]),
  };
}

/** The message ModelInferRequest: model_name = 1, inputs = 5 (name = 1, datatype = 2, shape = 3), raw_input_contents = 7. */
export function modelInferRequest(inputs: readonly SampleTensor[]): Buffer {
  const tensors = inputs.map(({ name, datatype, shape }) =>
    field(5, Buffer.concat([field(1, name), field(2, datatype), field(3, Buffer.concat(shape.map(varint)))])),
  );
  const contents = inputs.map((tensor) => field(7, bytesOf(tensor)));
  return Buffer.concat([field(1, modelName), ...tensors, ...contents]);
}

function describe({ name, datatype, shape }: SampleTensor) {
  return { name, datatype, shape };
}

/** A field of protobuf whose length is written before its bytes. */
function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}
