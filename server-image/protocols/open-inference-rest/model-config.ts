// The configuration of a loaded model in the shape of Triton's: what its clients and tools read to use a model.

import type { ModelMetadata } from "../../models/metadata.ts";
import type { ExecutionPlan } from "../../models/served-model.ts";
import type { Datatype, TensorSpec } from "../../tensors/datatypes.ts";

/**
 * Fields of Triton's ModelConfig message in its JSON form; those that do not apply here are left out. Where requests are
 * joined, `dims` are without the first axis, as there. The split of the CPUs is in `instance_group` and `parameters`.
 */
export function modelConfig({ name, inputs, outputs }: ModelMetadata, plan: ExecutionPlan): unknown {
  const batching = plan.batchable && plan.maxBatchSize > 1;
  const dims = ({ shape }: TensorSpec) => (batching ? shape.slice(1) : shape);
  return {
    name,
    platform: "onnxruntime_onnx",
    backend: "onnxruntime",
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: batching ? plan.maxBatchSize : 0,
    input: inputs.map((spec) => ({ name: spec.name, data_type: configType(spec.datatype), dims: dims(spec) })),
    output: outputs.map((spec) => ({ name: spec.name, data_type: configType(spec.datatype), dims: dims(spec) })),
    ...(batching ? { dynamic_batching: dynamicBatching(plan) } : {}),
    instance_group: [instanceGroup(name, plan)],
    parameters: {
      execution_provider: { string_value: plan.executionProvider },
      intra_op_thread_count: { string_value: String(plan.threadsPerWorker) },
    },
  };
}

function dynamicBatching({ maxBatchSize, batchDelayMs }: ExecutionPlan): unknown {
  return {
    preferred_batch_size: [maxBatchSize],
    max_queue_delay_microseconds: Math.round(batchDelayMs * 1000),
    preserve_ordering: false,
  };
}

function instanceGroup(name: string, { executionProvider, inline, ioThreads, workers }: ExecutionPlan): unknown {
  return {
    name: `${name}_0`,
    kind: executionProvider === "cuda" ? "KIND_GPU" : "KIND_CPU",
    count: inline ? ioThreads : workers,
    gpus: executionProvider === "cuda" ? [0] : [],
  };
}

function configType(datatype: Datatype): string {
  return datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`;
}
