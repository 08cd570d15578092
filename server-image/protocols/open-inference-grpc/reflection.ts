// Server reflection, with which tools such as grpcurl find out what can be called: the files in protos.ts, by name or symbol.

import { type handleBidiStreamingCall, type Server, status } from "@grpc/grpc-js";

import { type Fields, isSymbol, methodCodec } from "./messages.ts";
import { FILES } from "./protos.ts";

const VERSIONS = ["grpc.reflection.v1", "grpc.reflection.v1alpha"];

export function registerReflection(server: Server, services: readonly string[]): void {
  const all = [...services, ...VERSIONS.map((version) => `${version}.ServerReflection`)];
  const handle: handleBidiStreamingCall<Fields, Fields> = (call) => {
    call.on("data", (request: Fields) => {
      const response = { valid_host: request["host"], original_request: request, ...answer(request, all) };
      if (!call.write(response)) {
        call.pause();
      }
    });
    call.on("drain", () => call.resume());
    call.on("end", () => call.end());
  };
  for (const version of VERSIONS) {
    const codec = methodCodec(`${version}.ServerReflection`, "ServerReflectionInfo");
    server.register(codec.path, handle, codec.encodeResponse, codec.decodeRequest, "bidi");
  }
}

function answer(request: Fields, services: readonly string[]): Fields {
  switch (request["message_request"]) {
    case "list_services":
      return { list_services_response: { service: services.map((name) => ({ name })) } };
    case "file_by_filename": {
      const name = request["file_by_filename"];
      return file(FILES.find((candidate) => candidate.name === name));
    }
    case "file_containing_symbol":
      return file(fileOf(String(request["file_containing_symbol"])));
    case "file_containing_extension":
    case "all_extension_numbers_of_type":
      return refusal(status.NOT_FOUND, "there are no extensions");
    default:
      return refusal(status.INVALID_ARGUMENT, "the request asks for nothing");
  }
}

function fileOf(symbol: string): (typeof FILES)[number] | undefined {
  return isSymbol(symbol) ? FILES.find((candidate) => symbol.startsWith(`${candidate.package}.`)) : undefined;
}

/** The files need no others. */
function file(found: (typeof FILES)[number] | undefined): Fields {
  return found === undefined
    ? refusal(status.NOT_FOUND, "there is no such file or symbol")
    : { file_descriptor_response: { file_descriptor_proto: [Buffer.from(found.descriptor, "base64")] } };
}

function refusal(code: status, message: string): Fields {
  return { error_response: { error_code: code, error_message: message } };
}
