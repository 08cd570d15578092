// From a JSON body to an inference request that fits the model.

import { InferenceError, invalidArgument } from "../../inference-error.ts";
import { checkInput, checkInputSet, selectOutputs } from "../../models/check-request.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import { decodeJsonData } from "../../tensors/json-decode.ts";
import { parseJson } from "../../tensors/json-text.ts";
import { readShape } from "../../tensors/shape.ts";

export interface DecodedRequest {
  /** The client's, where it gave one. */
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  readonly outputNames: readonly string[];
}

/** Throws an InferenceError that names the input or field and says what is allowed. */
export function decodeInferRequest(
  body: Buffer,
  binaryHeader: string | string[] | undefined,
  metadata: ModelMetadata,
): DecodedRequest {
  if (binaryHeader !== undefined) {
    throw new InferenceError(
      "UNSUPPORTED",
      "Inference-Header-Content-Length: this server takes no binary tensors; send the data as JSON",
    );
  }
  const exactIntegers = metadata.inputs.some(({ datatype }) => datatype === "INT64" || datatype === "UINT64");
  const request = parseJson(body, exactIntegers);
  if (!isObject(request)) {
    throw invalidArgument('the body must be a JSON object with the field "inputs"');
  }
  const heads = readInputs(request["inputs"]);
  checkInputSet(
    metadata,
    heads.map(({ name }) => name),
  );
  return {
    id: readId(request["id"]),
    inputs: heads.map((head) => decodeInput(head, metadata)),
    outputNames: selectOutputs(metadata, readOutputNames(request["outputs"])),
  };
}

interface InputFields {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function readInputs(value: unknown): InputFields[] {
  // A model without inputs may be asked without them.
  if (value === undefined) {
    return [];
  }
  if (!Array.isArray(value)) {
    throw invalidArgument('"inputs" must be a list of objects with name, shape, datatype and data');
  }
  return value.map((item: unknown, index) => {
    if (!isObject(item) || typeof item["name"] !== "string") {
      throw invalidArgument(`element ${index} of "inputs" must be an object with a "name"`);
    }
    return { name: item["name"], fields: item };
  });
}

function decodeInput({ name, fields }: InputFields, metadata: ModelMetadata): Tensor {
  const what = `input ${JSON.stringify(name)}`;
  const shape = readShape(fields["shape"], what);
  if (typeof fields["datatype"] !== "string") {
    throw invalidArgument(`${what}: "datatype" must be a string, for example "FP32"`);
  }
  const { datatype } = checkInput(metadata, { name, datatype: fields["datatype"], shape });
  if (!Object.hasOwn(fields, "data")) {
    throw invalidArgument(`${what}: "data" is missing; this server takes data as JSON only`);
  }
  return { name, datatype, shape, data: decodeJsonData(datatype, shape, fields["data"], what) };
}

function readOutputNames(value: unknown): string[] {
  if (value === undefined) {
    return [];
  }
  if (!Array.isArray(value)) {
    throw invalidArgument('"outputs" must be a list of objects with a "name"');
  }
  return value.map((item: unknown, index) => {
    if (!isObject(item) || typeof item["name"] !== "string") {
      throw invalidArgument(`element ${index} of "outputs" must be an object with a "name"`);
    }
    return item["name"];
  });
}

function readId(value: unknown): string | undefined {
  if (value !== undefined && typeof value !== "string") {
    throw invalidArgument('"id" must be a string');
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
