// The configuration as Triton's clients read it: whether there is a batch axis, what runs the model and how often at once.

import { describe, expect, test } from "vitest";

import type { ModelMetadata } from "../../models/metadata.ts";
import type { ExecutionPlan } from "../../models/served-model.ts";
import { modelConfig } from "./model-config.ts";

const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  platform: "onnx_onnxv1",
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, 3, -1] },
    { name: "t", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [{ name: "y", datatype: "INT64", shape: [-1] }],
};

const PLAN: ExecutionPlan = {
  executionProvider: "cpu",
  workers: 2,
  threadsPerWorker: 3,
  inline: false,
  ioThreads: 4,
  batchable: true,
  maxBatchSize: 8,
  batchDelayMs: 0.5,
};

const BATCHED = {
  max_batch_size: 8,
  input: [
    { name: "x", data_type: "TYPE_FP32", dims: [3, -1] },
    { name: "t", data_type: "TYPE_STRING", dims: [] },
  ],
  output: [{ name: "y", data_type: "TYPE_INT64", dims: [] }],
  dynamic_batching: { preferred_batch_size: [8], max_queue_delay_microseconds: 500, preserve_ordering: false },
};

const UNBATCHED = {
  max_batch_size: 0,
  input: [
    { name: "x", data_type: "TYPE_FP32", dims: [-1, 3, -1] },
    { name: "t", data_type: "TYPE_STRING", dims: [-1] },
  ],
  output: [{ name: "y", data_type: "TYPE_INT64", dims: [-1] }],
};

const group = (fields: object) => ({ instance_group: [{ name: "m_0", gpus: [], ...fields }] });

describe("of a model", () => {
  test.each([
    ["whose requests are joined: dims without the batch axis", {}, BATCHED],
    ["that could be batched, but not with gain", { maxBatchSize: 1 }, UNBATCHED],
    ["that cannot be batched", { batchable: false, maxBatchSize: 1 }, UNBATCHED],
    ["with workers", {}, group({ kind: "KIND_CPU", count: 2 })],
    ["without workers, on the threads of the I/O", { inline: true }, group({ kind: "KIND_CPU", count: 4 })],
    ["on a GPU", { executionProvider: "cuda" as const }, group({ kind: "KIND_GPU", count: 2, gpus: [0] })],
    ["threads", {}, { parameters: { intra_op_thread_count: { string_value: "3" } } }],
    [
      "provider",
      { executionProvider: "cuda" as const },
      { parameters: { execution_provider: { string_value: "cuda" } } },
    ],
  ])("%s", (_name, plan, expected) => {
    expect(modelConfig(METADATA, { ...PLAN, ...plan })).toMatchObject(expected);
  });

  test("that is not batched has no batching", () => {
    expect(modelConfig(METADATA, { ...PLAN, maxBatchSize: 1 })).not.toHaveProperty("dynamic_batching");
  });
});
