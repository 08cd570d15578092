// Messages of which speed does not matter: plain objects to bytes and back, by the definitions in protos.ts.

import protobuf from "protobufjs/light.js";

import { MESSAGES } from "./protos.ts";

/** Fields by their names in the .proto files; enums by name, 64-bit integers as numbers. */
export type Fields = Readonly<Record<string, unknown>>;

const ROOT = protobuf.Root.fromJSON(JSON.parse(MESSAGES) as protobuf.INamespace);

/** One method of a service, as grpc-js registers it. */
export interface MethodCodec {
  readonly path: string;
  /** Throws for bytes that are no such message. Fields that are absent have their defaults. */
  readonly decodeRequest: (bytes: Buffer) => Fields;
  readonly encodeResponse: (fields: Fields) => Buffer;
}

/** @param service with its package, for example `inference.GRPCInferenceService` */
export function methodCodec(service: string, method: string): MethodCodec {
  const found = ROOT.lookupService(service).methods[method];
  found?.resolve();
  if (!found?.resolvedRequestType || !found.resolvedResponseType) {
    throw new Error(`no method ${method} in ${service}`);
  }
  const { resolvedRequestType: request, resolvedResponseType: response } = found;
  return {
    path: `/${service}/${method}`,
    decodeRequest: (bytes) => request.toObject(request.decode(bytes), { defaults: true, oneofs: true, longs: Number }),
    encodeResponse: (fields) => toBuffer(response.encode(response.fromObject(fields)).finish()),
  };
}

/** Whether there is a message, field, enum, service or method of this name, packages included. */
export function isSymbol(name: string): boolean {
  // Without the comparison it would find what only ends like this.
  return ROOT.lookup(name)?.fullName === `.${name}`;
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
