// For tests: descriptions of models in short form, and a served model that answers at once.

import type { ModelMetadata } from "../../models/metadata.ts";
import type { InferenceRequest, ServedModel } from "../../models/served-model.ts";
import { StatisticsRecorder } from "../../models/statistics.ts";
import { bytesOf, type Datatype, type Tensor, type TensorSpec, type TypedData } from "../../tensors/datatypes.ts";

/** Inputs or outputs by name, as `{ x: ["FP32", -1, 3] }`. */
export type Specs = Readonly<Record<string, readonly [Datatype, ...number[]]>>;

export function metadataOf(inputs: Specs, outputs: Specs = { y: ["FP32", -1] }): ModelMetadata {
  return { name: "m", version: "3", platform: "onnx_onnxv1", inputs: toSpecs(inputs), outputs: toSpecs(outputs) };
}

function toSpecs(specs: Specs): TensorSpec[] {
  return Object.entries(specs).map(([name, [datatype, ...shape]]) => ({ name, datatype, shape }));
}

/** A tensor of typed numbers or of texts. */
export function tensorOf(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  data: TypedData | string[],
): Tensor {
  return { name, datatype, shape, data: Array.isArray(data) ? data : bytesOf(data) };
}

/** A model that is ready and gives what `answer` makes of each request. */
export function servedModelOf(
  metadata: ModelMetadata,
  answer: (request: InferenceRequest) => readonly Tensor[],
): ServedModel {
  return {
    name: metadata.name,
    readiness: { ready: true },
    versionLabels: ["stable", "canary"],
    readyMetadata: () => metadata,
    readyPlan: () => ({
      executionProvider: "cpu",
      workers: 1,
      threadsPerWorker: 1,
      inline: false,
      ioThreads: 1,
      batchable: false,
      maxBatchSize: 1,
      batchDelayMs: 0,
    }),
    admit: () => undefined,
    infer: async (request) => ({ outputs: answer(request) }),
    statistics: async () => new StatisticsRecorder().snapshot(),
  };
}
