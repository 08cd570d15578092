// POST .../infer: counts the request, runs it, and gives every outcome its status.

import { randomUUID } from "node:crypto";

import { InferenceError, type InferenceErrorCode } from "../../inference-error.ts";
import type { Log } from "../../log.ts";
import type { ServedModel } from "../../models/served-model.ts";
import type { ProtocolContext } from "../context.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest } from "../http/exchange.ts";
import { countInference } from "../http/inference.ts";
import { decodeInferRequest } from "./decode.ts";
import { encodeInferResponse } from "./encode.ts";

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
  const headers = error.code === "UNAVAILABLE" ? { "retry-after": RETRY_AFTER_SECONDS } : undefined;
  return errorAnswer(STATUS[error.code], error.message, headers);
}

/** @param find throws `NOT_FOUND` when the path names another model or version */
export async function infer(
  request: HttpRequest,
  context: ProtocolContext,
  find: () => ServedModel,
): Promise<HttpAnswer> {
  return countInference(request, context, "v2-rest", () =>
    run(request, find).catch((error: unknown) => toErrorAnswer(error, context.log)),
  );
}

async function run(request: HttpRequest, find: () => ServedModel): Promise<HttpAnswer> {
  const model = find();
  // Before the body is read: a rejection must cost next to nothing.
  model.admit();
  const body = await request.readBody();
  const metadata = model.readyMetadata();
  const { id, ...decoded } = decodeInferRequest(body, request.headers["inference-header-content-length"], metadata);
  const { outputs } = await model.infer(decoded, request.cancellation);
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: encodeInferResponse(metadata, id ?? randomUUID(), outputs),
  };
}
