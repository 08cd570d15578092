// An InferenceService for tests: complete, and valid but for what a test lays over it.

import { apiVersion, kind } from "./group.ts";
import type { InferenceService } from "./inference-service.ts";
import { inferenceServiceSpecSchema } from "./inference-service-spec.ts";
import type { InferenceServiceStatus } from "./inference-service-status.ts";

export const storageUri = "https://models.example.com/resnet/7/model.onnx";

export interface ServiceOptions {
  readonly name?: string;
  readonly generation?: number;
  /** Laid over `spec.predictor`. */
  readonly predictor?: object;
  /** Laid over `spec.predictor.model`. */
  readonly model?: object;
  readonly status?: InferenceServiceStatus;
}

/** `vision/resnet`, uid `u1`, generation 1, with the defaults that the API server would fill in. */
export function makeInferenceService(options: ServiceOptions = {}): InferenceService {
  const { name = "resnet", generation = 1, predictor = {}, model = {}, status } = options;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: "vision", uid: "u1", generation },
    spec: inferenceServiceSpecSchema.parse({
      predictor: { model: { modelFormat: { name: "onnx" }, storageUri, ...model }, ...predictor },
    }),
    ...(status === undefined ? {} : { status }),
  };
}
