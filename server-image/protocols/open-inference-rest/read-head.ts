// Reads the JSON part of an inference request and checks it against the model.

import { invalidArgument } from "../../inference-error.ts";
import { checkInput, checkInputSet, selectOutputs } from "../../models/check-request.ts";
import type { Tensor } from "../../tensors/datatypes.ts";
import { decodeJsonData } from "../../tensors/json-decode.ts";
import { NumberLists } from "../../tensors/number-lists.ts";
import { elementCount, readShape } from "../../tensors/shape.ts";
import {
  type Fields,
  isAbsent,
  isObject,
  readCount,
  readFlag,
  readParameters,
  refuseParameters,
} from "./json-fields.ts";
import type { PreparedModel } from "./prepared-model.ts";
import type { BinaryInput, OutputForm, RequestHead } from "./request-head.ts";

const REQUEST = "the request";

/** Throws an InferenceError that names the input, output, field or parameter and says what is allowed. */
export function readHead(json: Buffer, model: PreparedModel): RequestHead {
  const lists = new NumberLists(json, model.exactIntegers);
  const request = lists.value;
  if (!isObject(request)) {
    throw invalidArgument('the body must be a JSON object with the field "inputs"');
  }
  const inputs = readNamed(request["inputs"], "inputs", "name, shape, datatype and data");
  checkInputSet(
    model.metadata,
    inputs.map(({ name }) => name),
  );
  const parameters = readParameters(request, REQUEST);
  const head = {
    id: readId(request["id"]),
    inputs: inputs.map((input) => readInput(input, model, lists)),
    ...readOutputs(request["outputs"], readFlag(parameters, "binary_data_output", REQUEST) ?? false, model),
    priority: readCount(parameters, "priority", REQUEST),
    timeoutMs: readTimeout(parameters),
  };
  lists.checkRest();
  return head;
}

interface Named {
  readonly name: string;
  readonly fields: Fields;
}

/** The objects in a list of inputs or outputs; none where it is absent: a model without inputs may be asked so. */
function readNamed(value: unknown, field: string, content: string): Named[] {
  if (isAbsent(value)) {
    return [];
  }
  if (!Array.isArray(value)) {
    throw invalidArgument(`"${field}" must be a list of objects with ${content}`);
  }
  return value.map((item: unknown, index) => {
    if (!isObject(item) || typeof item["name"] !== "string") {
      throw invalidArgument(`element ${index} of "${field}" must be an object with a "name"`);
    }
    return { name: item["name"], fields: item };
  });
}

function readInput({ name, fields }: Named, { metadata }: PreparedModel, lists: NumberLists): Tensor | BinaryInput {
  const what = `input ${JSON.stringify(name)}`;
  const shape = readShape(fields["shape"], what);
  if (typeof fields["datatype"] !== "string") {
    throw invalidArgument(`${what}: "datatype" must be a string, for example "FP32"`);
  }
  const { datatype } = checkInput(metadata, { name, datatype: fields["datatype"], shape });
  const parameters = readParameters(fields, what);
  refuseParameters(parameters, ["shared_memory_region"], what);
  const byteSize = readCount(parameters, "binary_data_size", what);
  const data = fields["data"];
  if (byteSize === undefined) {
    if (isAbsent(data)) {
      throw invalidArgument(`${what}: "data" is missing, and so is the parameter "binary_data_size"; give one of them`);
    }
    const floats = datatype === "FP32" ? lists.readFloats(data, shape, what) : undefined;
    return { name, datatype, shape, data: floats ?? decodeJsonData(datatype, shape, lists.parsed(data), what) };
  }
  // KServe's client writes "data": null beside the size of an input without elements.
  if (!isAbsent(data)) {
    throw invalidArgument(`${what}: both "data" and the parameter "binary_data_size" are given; give one of them`);
  }
  return { name, datatype, shape, count: elementCount(shape, what), byteSize, what };
}

function readOutputs(
  value: unknown,
  binaryByDefault: boolean,
  model: PreparedModel,
): Pick<RequestHead, "outputNames" | "outputForms"> {
  const asked = readNamed(value, "outputs", 'a "name"');
  const outputNames = selectOutputs(
    model.metadata,
    asked.map(({ name }) => name),
  );
  const outputForms = outputNames.map((name, index) =>
    outputForm(name, readOutputFlag(asked[index]) ?? binaryByDefault, model),
  );
  return { outputNames, outputForms };
}

/** Undefined where the request leaves it open. */
function readOutputFlag(output: Named | undefined): boolean | undefined {
  if (output === undefined) {
    return undefined;
  }
  const { name, fields } = output;
  const what = `output ${JSON.stringify(name)}`;
  const parameters = readParameters(fields, what);
  refuseParameters(parameters, ["classification", "shared_memory_region"], what);
  return readFlag(parameters, "binary_data", what);
}

function outputForm(name: string, binary: boolean, { jsonForms, binaryForms, binaryOnly }: PreparedModel): OutputForm {
  if (!binary && binaryOnly.has(name)) {
    // Found before the run, not after it.
    throw invalidArgument(
      `output ${JSON.stringify(name)}: FP16 has no JSON form in the protocol; ` +
        'ask for it with the parameter "binary_data" of the output or "binary_data_output" of the request',
    );
  }
  const form = (binary ? binaryForms : jsonForms).get(name);
  if (form === undefined) {
    throw new Error(`no form of output ${JSON.stringify(name)}`);
  }
  return form;
}

function readId(value: unknown): string | undefined {
  if (isAbsent(value)) {
    return undefined;
  }
  if (typeof value !== "string") {
    throw invalidArgument('"id" must be a string');
  }
  return value;
}

/** In the protocol microseconds; 0 means that there is none. */
function readTimeout(parameters: Fields): number | undefined {
  const microseconds = readCount(parameters, "timeout", REQUEST);
  return microseconds === undefined || microseconds === 0 ? undefined : microseconds / 1000;
}
