// One inference request in the words of each protocol, as bytes for a connection.

import protobuf from "protobufjs/minimal.js";

import type { Protocol } from "../metrics.ts";
import type { InferenceRequest } from "../models/served-model.ts";
import type { Tensor } from "../tensors/datatypes.ts";
import { encodeJsonData } from "../tensors/json-encode.ts";

/** The whole of an HTTP request, or the message of a gRPC call; left out where the protocol cannot carry one of the inputs. */
export type ProbeRequests = Readonly<Partial<Record<Protocol, Buffer>>>;

export function makeProbeRequests(modelName: string, { inputs }: InferenceRequest): ProbeRequests {
  const model = encodeURIComponent(modelName);
  const v2Path = `/v2/models/${model}/infer`;
  const json = inputs.some(({ datatype }) => datatype === "FP16") ? undefined : v2Json(inputs);
  const binary = inputs.some(({ data }) => !(data instanceof Uint8Array)) ? undefined : v2Binary(inputs);
  const columns = json === undefined ? undefined : tensorFlowColumns(inputs);
  return {
    ...(json === undefined ? {} : { "v2-rest": post(v2Path, json) }),
    ...(binary === undefined ? {} : { "v2-rest-binary": post(v2Path, binary.body, binary.header) }),
    ...(binary === undefined ? {} : { "v2-grpc": grpcMessage(modelName, inputs) }),
    ...(columns === undefined ? {} : { "tfs-rest": post(`/v1/models/${model}:predict`, columns) }),
  };
}

function post(path: string, body: Buffer, headers = ""): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}

function v2Json(inputs: readonly Tensor[]): Buffer {
  const parts = inputs.map(({ name, datatype, shape, ...rest }) => {
    const head = JSON.stringify({ name, datatype, shape }).slice(0, -1);
    return `${head},"data":${encodeJsonData({ name, datatype, shape, ...rest }).toString()}}`;
  });
  return Buffer.from(`{"inputs":[${parts.join(",")}]}`);
}

function v2Binary(inputs: readonly Tensor[]): { body: Buffer; header: string } {
  const heads = inputs.map(({ name, datatype, shape, data }) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: data.length },
  }));
  const head = Buffer.from(JSON.stringify({ inputs: heads, parameters: { binary_data_output: true } }));
  const body = Buffer.concat([head, ...inputs.map(({ data }) => data as Uint8Array)]);
  return { body, header: `Inference-Header-Content-Length: ${head.length}\r\n` };
}

/** The tag of a field whose value comes after its length. */
function field(number: number): number {
  return (number << 3) | 2;
}

/** ModelInferRequest with raw contents; the numbers are those of the protocol's fields. */
function grpcMessage(modelName: string, inputs: readonly Tensor[]): Buffer {
  const writer = protobuf.Writer.create().uint32(field(1)).string(modelName);
  for (const { name, datatype, shape } of inputs) {
    writer.uint32(field(5)).fork().uint32(field(1)).string(name).uint32(field(2)).string(datatype);
    writer.uint32(field(3)).fork();
    for (const size of shape) {
      writer.int64(size);
    }
    writer.ldelim().ldelim();
  }
  for (const { data } of inputs) {
    writer.uint32(field(7)).bytes(data as Uint8Array);
  }
  return Buffer.from(writer.finish());
}

/** Columns: each input with its batch, nested as its shape says. */
function tensorFlowColumns(inputs: readonly Tensor[]): Buffer {
  const columns = inputs.map((tensor) => {
    const flat = JSON.parse(encodeJsonData(tensor).toString()) as unknown[];
    return [tensor.name, nest(flat, tensor.shape)];
  });
  return Buffer.from(JSON.stringify({ inputs: Object.fromEntries(columns) as unknown }));
}

function nest(flat: readonly unknown[], shape: readonly number[]): unknown {
  const [size, ...inner] = shape;
  if (size === undefined) {
    return flat[0];
  }
  const length = size === 0 ? 0 : flat.length / size;
  return Array.from({ length: size }, (_, index) => nest(flat.slice(index * length, (index + 1) * length), inner));
}
