// The body of a predict request, in row form ("instances") or column form ("inputs"), to the tensors of the model.

import { type InferenceError, invalidArgument } from "../../inference-error.ts";
import { checkInput } from "../../models/check-request.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { Tensor, TensorSpec } from "../../tensors/datatypes.ts";
import { fieldOf, isObject, type JsonDocument, readDocument, takesWholeNumbers } from "./json-document.ts";
import { decodeRows, decodeValue, type ShapedData } from "./nested-values.ts";
import { showValue } from "./show-value.ts";
import { readSignatureName, SERVING_DEFAULT } from "./signature.ts";
import { isBase64 } from "./tensor-values.ts";

/** The form of a request, which is that of its answer too. */
export type PredictForm = "row" | "column";

export interface PredictRequest {
  readonly form: PredictForm;
  /** Fit the model. */
  readonly inputs: readonly Tensor[];
}

/** Throws an InferenceError, with TensorFlow Serving's text wherever it has one. */
export function decodePredictRequest(body: Buffer, metadata: ModelMetadata): PredictRequest {
  const wholeNumbers = metadata.inputs.some(({ datatype }) => takesWholeNumbers(datatype));
  return readDocument(body, wholeNumbers, (document) => readRequest(document, metadata));
}

function readRequest(document: JsonDocument, metadata: ModelMetadata): PredictRequest {
  const { fields } = document;
  checkSignature(document, metadata);
  const [instances, inputs] = [fieldOf(fields, "instances"), fieldOf(fields, "inputs")];
  if (instances !== undefined && inputs !== undefined) {
    throw invalidArgument(
      `JSON Value: ${showValue(fields)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist `,
    );
  }
  if (instances !== undefined) {
    return { form: "row", inputs: readInstances(document, instances, metadata) };
  }
  if (inputs !== undefined) {
    return { form: "column", inputs: readColumns(document, inputs, metadata) };
  }
  throw invalidArgument("Missing 'inputs' or 'instances' key");
}

function checkSignature({ fields }: JsonDocument, { inputs }: ModelMetadata): void {
  const name = readSignatureName(fields);
  if (name !== SERVING_DEFAULT) {
    throw invalidArgument(`Serving signature name: "${name}" not found in signature def`);
  }
  if (inputs.length === 0) {
    throw invalidArgument("Failed to get input map for signature: DEFAULT");
  }
}

function readInstances(document: JsonDocument, instances: unknown, metadata: ModelMetadata): Tensor[] {
  if (!Array.isArray(instances)) {
    throw invalidArgument(`JSON Value: ${showValue(document.fields)} Excepting 'instances' to be an list/array`);
  }
  if (instances.length === 0) {
    throw invalidArgument(`JSON Value: ${showValue(document.fields)} No values in 'instances' array`);
  }
  const [first] = instances as readonly unknown[];
  if (isNamed(first)) {
    return readNamedRows(document, instances, metadata);
  }
  const [spec] = metadata.inputs as readonly [TensorSpec];
  if (metadata.inputs.length > 1) {
    throw invalidArgument(
      "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map",
    );
  }
  const named = instances.findIndex(isNamed);
  if (named >= 0) {
    throw invalidArgument(`Expecting value/list but got object at item ${named} of input list`);
  }
  const rules = { datatype: spec.datatype, exact: document.exact };
  return [
    fit(
      metadata,
      spec,
      decodeRows(instances, rules, (index, error) => inElement(index, "", error)),
    ),
  ];
}

/** An object of named values, which a string wrapped for base64 is not. */
function isNamed(value: unknown): value is Record<string, unknown> {
  return isObject(value) && !isBase64(value);
}

function readNamedRows({ exact }: JsonDocument, instances: readonly unknown[], metadata: ModelMetadata): Tensor[] {
  const names = metadata.inputs.map(({ name }) => name);
  const rows = instances.map((instance, index) => {
    if (!isNamed(instance)) {
      throw invalidArgument(`Expecting object but got list at item ${index} of input list`);
    }
    checkNames(instance, names, index);
    return instance;
  });
  return metadata.inputs.map((spec) => {
    const values = rows.map((row) => row[spec.name]);
    const explain = (index: number, error: InferenceError) => inElement(index, ` key: ${spec.name}`, error);
    return fit(metadata, spec, decodeRows(values, { datatype: spec.datatype, exact }, explain));
  });
}

function checkNames(instance: Record<string, unknown>, names: readonly string[], index: number): void {
  const unknown = Object.keys(instance).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const error = invalidArgument(`JSON object: does not have named input: ${unknown}`);
    throw inElement(index, ` key: ${unknown}`, error);
  }
  if (names.some((name) => !Object.hasOwn(instance, name))) {
    throw invalidArgument(
      `Failed to process element: ${index} of 'instances' list. JSON object: ${showValue(instance)} ` +
        `must only have keys: ${names.toSorted().join(",")}`,
    );
  }
}

/** TensorFlow Serving makes an argument of any error inside an element. */
function inElement(index: number, key: string, { code, message }: InferenceError): InferenceError {
  const name = code === "UNSUPPORTED" ? "UNIMPLEMENTED" : code;
  return invalidArgument(`Failed to process element: ${index}${key} of 'instances' list. Error: ${name}: ${message}`);
}

function readColumns({ exact }: JsonDocument, inputs: unknown, metadata: ModelMetadata): Tensor[] {
  if (isNamed(inputs)) {
    return metadata.inputs.map((spec) => {
      const value = fieldOf(inputs, spec.name);
      if (value === undefined) {
        throw invalidArgument(`Missing named input: ${spec.name} in 'inputs' object.`);
      }
      return fit(metadata, spec, decodeValue(value, { datatype: spec.datatype, exact }));
    });
  }
  if (metadata.inputs.length > 1) {
    throw invalidArgument(
      "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map",
    );
  }
  const [spec] = metadata.inputs as readonly [TensorSpec];
  return [fit(metadata, spec, decodeValue(inputs, { datatype: spec.datatype, exact }))];
}

function fit(metadata: ModelMetadata, { name, datatype }: TensorSpec, { shape, data }: ShapedData): Tensor {
  checkInput(metadata, { name, datatype, shape });
  return { name, datatype, shape, data };
}
