// Puts methods with plain objects on a gRPC server.

import type { handleUnaryCall, Server, sendUnaryData } from "@grpc/grpc-js";

import type { Log } from "../../log.ts";
import type { Fields, MethodCodec } from "./messages.ts";
import { toStatus } from "./status.ts";

/** @param answer throws or rejects with an InferenceError */
export function registerUnary(
  server: Server,
  { path, encodeResponse, decodeRequest }: MethodCodec,
  answer: (request: Fields) => Fields | Promise<Fields>,
  log: Log,
): void {
  const respond = async (request: Fields, callback: sendUnaryData<Fields>): Promise<void> => {
    let fields: Fields;
    try {
      fields = await answer(request);
    } catch (error) {
      callback(toStatus(error, log));
      return;
    }
    callback(null, fields);
  };
  const handle: handleUnaryCall<Fields, Fields> = (call, callback) => void respond(call.request, callback);
  server.register(path, handle, encodeResponse, decodeRequest, "unary");
}
