// For tests: a gRPC client made from the .proto files by protobufjs, which shares no code with the server's own codec.

import path from "node:path";

import { type CallOptions, type ChannelOptions, Client, credentials, type ServiceError } from "@grpc/grpc-js";
import protobuf from "protobufjs";

const PROTOS = ["inference.proto", "health.proto", "reflection.proto"];
const ROOT = new protobuf.Root().loadSync(
  PROTOS.map((name) => path.join(import.meta.dirname, "proto", name)),
  { keepCase: true },
);

export type Message = Record<string, unknown>;

interface Method {
  readonly path: string;
  readonly serialize: (request: Message) => Buffer;
  readonly deserialize: (bytes: Buffer) => Message;
}

/** @param name for example `inference.GRPCInferenceService/ModelInfer` */
export function methodOf(name: string): Method {
  const [service = "", method = ""] = name.split("/");
  const found = ROOT.lookupService(service).methods[method];
  if (found === undefined) {
    throw new Error(`no ${name}`);
  }
  const scope = found.parent ?? ROOT;
  const request = scope.lookupType(found.requestType);
  const response = scope.lookupType(found.responseType);
  return {
    path: `/${name}`,
    serialize: (message) => Buffer.from(request.encode(request.fromObject(message)).finish()),
    deserialize: (bytes) => response.toObject(response.decode(bytes), { defaults: true, longs: Number, enums: String }),
  };
}

export interface TestClient {
  /** Rejects with a ServiceError. */
  readonly call: (method: string, request?: Message, options?: CallOptions) => Promise<Message>;
  readonly infer: (request: Message, options?: CallOptions) => Promise<Message>;
  readonly client: Client;
  readonly close: () => void;
}

export const SERVICE = "inference.GRPCInferenceService";

export function makeTestClient(address: string, options: ChannelOptions = {}): TestClient {
  // By default clients of one process share their connections.
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
    ...options,
  });
  const call = async (name: string, request: Message = {}, callOptions: CallOptions = {}): Promise<Message> => {
    const method = methodOf(name.includes("/") ? name : `${SERVICE}/${name}`);
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const done = (error: ServiceError | null, response?: Message) =>
      response === undefined ? reject(error ?? new Error("no response")) : resolve(response);
    client.makeUnaryRequest(method.path, method.serialize, method.deserialize, request, callOptions, done);
    return promise;
  };
  return {
    call,
    infer: (request, callOptions) => call("ModelInfer", request, callOptions),
    client,
    close: () => client.close(),
  };
}
