// From the bytes of a ModelInferRequest to an inference request that fits the model.

import { InferenceError, invalidArgument } from "../../inference-error.ts";
import { checkInput, checkInputSet, selectOutputs } from "../../models/check-request.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { InferenceRequest } from "../../models/served-model.ts";
import { decodeBinaryData } from "../../tensors/binary-decode.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import { elementCount, readShape } from "../../tensors/shape.ts";
import type { InferRequest, Parameters, WireInput } from "./infer-request.ts";
import { decodeContents } from "./typed-contents.ts";

const REQUEST = "the request";
const NO_CONTENTS = new Uint8Array(0);

/** Raw tensors stay in the memory of the request. Throws an InferenceError that names the input, output or field. */
export function decodeInferRequest(request: InferRequest, metadata: ModelMetadata): InferenceRequest {
  const { inputs, outputs, rawInputs, parameters } = request;
  checkInputSet(
    metadata,
    inputs.map(({ name }) => name),
  );
  const isRaw = rawInputs.length > 0;
  if (isRaw && rawInputs.length !== inputs.length) {
    throw invalidArgument(
      `"raw_input_contents" has ${rawInputs.length} elements; it must have one for each of the ${inputs.length} input(s)`,
    );
  }
  for (const { name, parameters: asked } of outputs) {
    refuseParameters(asked, () => `output ${JSON.stringify(name)}`);
  }
  const outputNames = selectOutputs(
    metadata,
    outputs.map(({ name }) => name),
  );
  const priority = readCount(parameters, "priority");
  const timeout = readCount(parameters, "timeout");
  return {
    inputs: inputs.map((input, index) => decodeInput(input, isRaw ? rawInputs[index] : undefined, metadata)),
    outputNames,
    priority,
    // In the protocol microseconds; 0 means that there is none.
    timeoutMs: timeout === undefined || timeout === 0 ? undefined : timeout / 1000,
  };
}

function decodeInput(input: WireInput, raw: Uint8Array | undefined, metadata: ModelMetadata): Tensor {
  const { name, contents } = input;
  const what = `input ${JSON.stringify(name)}`;
  refuseParameters(input.parameters, () => what);
  const shape = readShape(input.shape, what);
  const { datatype } = checkInput(metadata, { name, datatype: input.datatype, shape });
  const count = elementCount(shape, what);
  if (raw === undefined) {
    return { name, datatype, shape, data: decodeContents(contents ?? NO_CONTENTS, { datatype, count, what }) };
  }
  if (contents !== undefined) {
    throw invalidArgument(`${what}: "contents" must not be set where "raw_input_contents" is`);
  }
  return { name, datatype, shape, data: decodeBinaryData(datatype, count, raw, what) };
}

/** Undefined where it is absent. */
function readCount(parameters: Parameters, key: string): number | undefined {
  if (!parameters.has(key)) {
    return undefined;
  }
  const value = parameters.get(key);
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalidArgument(`${REQUEST}: parameter "${key}" must be an int64 or uint64 from 0 to 2^53 - 1`);
  }
  return value;
}

/** Ignored, these would give an answer that is not what was asked for. */
function refuseParameters(parameters: Parameters, what: () => string): void {
  for (const key of ["classification", "shared_memory_region"]) {
    if (parameters.has(key)) {
      throw new InferenceError("UNSUPPORTED", `${what()}: parameter "${key}" is not supported by this server`);
    }
  }
}
