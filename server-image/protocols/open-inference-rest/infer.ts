// POST .../infer: counts the request, runs it, and gives every outcome its status.

import { InferenceError, type InferenceErrorCode } from "../../inference-error.ts";
import type { Log } from "../../log.ts";
import type { ServedModel } from "../../models/served-model.ts";
import type { ProtocolContext } from "../context.ts";
import { ACCEPTED_ENCODINGS } from "../http/body.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest } from "../http/exchange.ts";
import { beginInference, endInference } from "../http/inference.ts";
import { decodeLargeJson, isLargeJson } from "../large-json.ts";
import { type DecodedRequest, decodeInferRequest, HEADER_LENGTH } from "./decode.ts";
import { encodeInferResponse } from "./encode.ts";
import { prepareModel } from "./prepared-model.ts";

const STATUS = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  TOO_LARGE: 413,
  UNSUPPORTED_ENCODING: 415,
  CANCELLED: 499,
  INTERNAL: 500,
  UNSUPPORTED: 501,
  UNAVAILABLE: 503,
} as const satisfies Record<InferenceErrorCode, number>;

const RETRY_AFTER_SECONDS = "1";

/** The protocol's form of an error; anything that is no InferenceError is a fault of this server and stays inside. */
export function toErrorAnswer(error: unknown, log: Log): HttpAnswer {
  if (!(error instanceof InferenceError)) {
    log.error({ err: error }, "inference request failed unexpectedly");
    return errorAnswer(500, "internal error");
  }
  return errorAnswer(STATUS[error.code], error.message, errorHeaders(error.code));
}

function errorHeaders(code: InferenceErrorCode): Readonly<Record<string, string>> | undefined {
  switch (code) {
    case "UNAVAILABLE":
      return { "retry-after": RETRY_AFTER_SECONDS };
    case "UNSUPPORTED_ENCODING":
      return { "accept-encoding": ACCEPTED_ENCODINGS };
    default:
      return undefined;
  }
}

/**
 * Does not reject.
 *
 * @param find throws `NOT_FOUND` when the path names another model or version
 */
export async function infer(
  request: HttpRequest,
  context: ProtocolContext,
  find: () => ServedModel,
): Promise<HttpAnswer> {
  const protocol = request.headers[HEADER_LENGTH] === undefined ? "v2-rest" : "v2-rest-binary";
  const arrivedAtMs = beginInference(context, protocol);
  let answer: HttpAnswer;
  try {
    const model = find();
    // Before the body is read: a rejection must cost next to nothing.
    model.admit();
    const body = await request.readBody();
    const metadata = model.readyMetadata();
    const prepared = prepareModel(metadata);
    const headerLength = request.headers[HEADER_LENGTH];
    const decoded = isLargeJson(headerLength === undefined ? body.length : Number(headerLength))
      ? await decodeLargeJson<DecodedRequest>({ kind: "infer", body, headerLength, metadata })
      : decodeInferRequest(body, headerLength, prepared);
    const { outputs } = await model.infer(decoded, request.cancellation);
    answer = encodeInferResponse(prepared, decoded, outputs);
  } catch (error) {
    answer = toErrorAnswer(error, context.log);
  }
  endInference(request, context, { protocol, arrivedAtMs, status: answer.status });
  return answer;
}
