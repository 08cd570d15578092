// From output tensors to the bytes of a ModelInferResponse, with the data raw as Triton answers.

import protobuf from "protobufjs/minimal.js";

import type { ModelMetadata } from "../../models/metadata.ts";
import { encodeBinaryData } from "../../tensors/binary-encode.ts";
import type { Tensor } from "../../tensors/datatypes.ts";

/** The tag of a field with a length before its value. */
const tag = (field: number) => (field << 3) | 2;

/** The answer to one request. `id`: that of the request, empty where it had none. */
export interface InferResponse {
  readonly metadata: ModelMetadata;
  readonly id: string;
  readonly outputs: readonly Tensor[];
}

export function encodeInferResponse(response: InferResponse): Buffer {
  const writer = protobuf.Writer.create();
  writeResponse(writer, response);
  return finish(writer);
}

/** As ModelStreamInferResponse. */
export function encodeStreamResponse(response: InferResponse): Buffer {
  const writer = protobuf.Writer.create().uint32(tag(2)).fork();
  writeResponse(writer, response);
  // Clients of streams look for it; here each request has exactly one response.
  writer.uint32(tag(4)).fork();
  writer.uint32(tag(1)).string("triton_final_response");
  writer.uint32(tag(2)).fork().uint32(8).bool(true).ldelim();
  writer.ldelim();
  return finish(writer.ldelim());
}

/** A ModelStreamInferResponse that says why the request with this id failed. */
export function encodeStreamError(message: string, id: string): Buffer {
  const writer = protobuf.Writer.create().uint32(tag(1)).string(message);
  return finish(writer.uint32(tag(2)).fork().uint32(tag(3)).string(id).ldelim());
}

function writeResponse(writer: protobuf.Writer, { metadata, id, outputs }: InferResponse): void {
  writer.uint32(tag(1)).string(metadata.name).uint32(tag(2)).string(metadata.version);
  if (id !== "") {
    writer.uint32(tag(3)).string(id);
  }
  for (const { name, datatype, shape } of outputs) {
    writer.uint32(tag(5)).fork();
    writer.uint32(tag(1)).string(name).uint32(tag(2)).string(datatype);
    writer.uint32(tag(3)).fork();
    for (const size of shape) {
      writer.int64(size);
    }
    writer.ldelim().ldelim();
  }
  for (const output of outputs) {
    writer.uint32(tag(6)).bytes(encodeBinaryData(output));
  }
}

/** grpc-js asks for a Buffer. */
function finish(writer: protobuf.Writer): Buffer {
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
