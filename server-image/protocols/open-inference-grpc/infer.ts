// One inference request of gRPC, from the bytes of its message to the outputs of its answer.

import type { Cancellation } from "../../cancellation.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { ServedModel } from "../../models/served-model.ts";
import { findModel } from "../find-model.ts";
import { decodeInferRequest } from "./decode.ts";
import type { InferResponse } from "./encode.ts";
import { type InferRequest, type ReadLimits, readInferRequest } from "./infer-request.ts";

/** Throws an InferenceError: `UNAVAILABLE` before the model is loaded, `INVALID_ARGUMENT` where the bytes are no request. */
export function readRequest(message: Uint8Array, model: ServedModel): InferRequest {
  return readInferRequest(message, limitsFor(model.readyMetadata()));
}

/** One more than can be right, so that it shows. */
function limitsFor({ inputs, outputs }: ModelMetadata): ReadLimits {
  return { inputs: inputs.length + 1, outputs: outputs.length + 1 };
}

/**
 * Rejects with an InferenceError.
 *
 * @param remainingMs until the client's deadline; infinite where it has none
 */
export async function infer(
  request: InferRequest,
  model: ServedModel,
  remainingMs: number,
  cancellation: Cancellation,
): Promise<InferResponse> {
  const { modelName, modelVersion, id } = request;
  const found = findModel(model, modelName, modelVersion === "" ? undefined : modelVersion);
  const metadata = found.readyMetadata();
  const decoded = decodeInferRequest(request, metadata);
  const timeoutMs = Math.min(decoded.timeoutMs ?? Number.POSITIVE_INFINITY, remainingMs);
  const limited = timeoutMs === Number.POSITIVE_INFINITY ? decoded : { ...decoded, timeoutMs };
  const { outputs } = await found.infer(limited, cancellation);
  return { metadata, id, outputs };
}
