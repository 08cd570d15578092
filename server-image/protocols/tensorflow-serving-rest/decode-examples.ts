// The body of a classify or regress request: examples whose features are the model's inputs, one row each.

import { type InferenceError, invalidArgument } from "../../inference-error.ts";
import { checkInput } from "../../models/check-request.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { Datatype, Tensor, TensorSpec } from "../../tensors/datatypes.ts";
import { WholeDecimal } from "./exact-json.ts";
import {
  fieldOf,
  isObject,
  type JsonDocument,
  readDocument,
  SOURCE_NEEDED,
  takesWholeNumbers,
} from "./json-document.ts";
import { decodeRows } from "./nested-values.ts";
import { showValue, typeOf } from "./show-value.ts";
import { checkExampleSignature } from "./signature.ts";
import { isBase64, tensorflowName } from "./tensor-values.ts";

/** A feature always has a flat list of values. */
type Example = ReadonlyMap<string, readonly unknown[]>;

/**
 * One row per example for each input. A feature with the name of an input holds one row of it, flat; what is in
 * "context" counts for every example that does not have it; other features are ignored, as in TensorFlow. Throws an
 * InferenceError.
 */
export function decodeExamples(body: Buffer, metadata: ModelMetadata): Tensor[] {
  // What a feature holds depends on whether its first number is written with a point.
  return readDocument(body, true, (document) => {
    const examples = readExamples(document);
    checkExampleSignature(document.fields);
    return metadata.inputs.map((spec) => toTensor(examples, spec, document.exact, metadata));
  });
}

function readExamples({ fields }: JsonDocument): Example[] {
  const context = fieldOf(fields, "context");
  const shared = context === undefined ? [] : readExample(context);
  const examples = fieldOf(fields, "examples");
  if (examples === undefined) {
    throw invalidArgument(
      `JSON Value: ${showValue(fields)} When method is classify, key 'examples' is expected and was not found`,
    );
  }
  if (!Array.isArray(examples)) {
    throw invalidArgument(`JSON Value: ${showValue(fields)} Expecting 'examples' value to be an list/array`);
  }
  if (examples.length === 0) {
    throw invalidArgument(`JSON Value: ${showValue(fields)} 'examples' value is an empty array`);
  }
  return examples.map((example) => new Map([...shared, ...readExample(example)]));
}

function readExample(value: unknown): [string, readonly unknown[]][] {
  if (!isObject(value)) {
    throw invalidArgument(`Example must be JSON object but got JSON ${typeOf(value)}`);
  }
  return Object.entries(value).map(([name, content]) => {
    const values: readonly unknown[] = Array.isArray(content) ? content : [content];
    checkKinds(name, values);
    return [name, values];
  });
}

/** TensorFlow keeps a feature's values in a list of one of three kinds. */
type Kind = "bytes" | "float" | "int64";

function checkKinds(name: string, values: readonly unknown[]): void {
  let kind: Kind | undefined;
  for (const value of values) {
    const own = kindOf(name, value);
    if (kind !== undefined && own !== kind) {
      throw invalidArgument(`Unexpected element type in feature: ${name} expecting type: ${kind}`);
    }
    kind = own;
  }
}

function kindOf(name: string, value: unknown): Kind {
  if (typeof value === "string" || isBase64(value)) {
    return "bytes";
  }
  if (typeof value === "boolean") {
    return "int64";
  }
  if (typeof value === "bigint") {
    return kindOfLong(name, value);
  }
  if (typeof value === "number" && Number.isInteger(value)) {
    if (!Number.isSafeInteger(value)) {
      throw SOURCE_NEEDED;
    }
    return "int64";
  }
  if (typeof value === "number" || value instanceof WholeDecimal) {
    return "float";
  }
  throw invalidArgument(`Feature: ${name} has element with unexpected JSON type: ${typeOf(value)}`);
}

function kindOfLong(name: string, value: bigint): Kind {
  if (value >= 2n ** 64n || value < -(2n ** 63n)) {
    // Too long for an integer of RapidJSON.
    return "float";
  }
  if (value >= 2n ** 63n) {
    throw invalidArgument(`Feature: ${name} has uint64 element. Only int64 is supported.`);
  }
  return "int64";
}

function toTensor(examples: readonly Example[], spec: TensorSpec, exact: boolean, metadata: ModelMetadata): Tensor {
  const { name, datatype } = spec;
  const rows = examples.map((example) => {
    const values = example.get(name);
    if (values === undefined) {
      const type = tensorflowName(datatype);
      throw invalidArgument(
        `Name: <unknown>, Feature: ${name} (data type: ${type}) is required but could not be found.`,
      );
    }
    return values.map((value) => ofKind(value, datatype));
  });
  const explain = (index: number, error: InferenceError) =>
    invalidArgument(`Name: <unknown>, Key: ${name}, Index: ${index}.  ${error.message}`);
  const { shape, data } = decodeRows(rows, { datatype, exact }, explain);
  const [count = 0, width = 0] = shape;
  const fitted = [count, ...rowShape(spec, width)];
  checkInput(metadata, { name, datatype, shape: fitted });
  return { name, datatype, shape: fitted, data };
}

/** In an example booleans are integers. */
function ofKind(value: unknown, datatype: Datatype): unknown {
  if (datatype === "BOOL") {
    return value === 0 || value === 1 ? value === 1 : value;
  }
  return typeof value === "boolean" && takesWholeNumbers(datatype) ? Number(value) : value;
}

/** The shape of one row of so many values. Throws `INVALID_ARGUMENT` where they do not fit. */
function rowShape({ name, datatype, shape }: TensorSpec, width: number): number[] {
  const declared = shape.slice(1);
  const known = declared.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const open = declared.filter((size) => size === -1).length;
  // One dimension that may vary takes what the others leave.
  const rest = open === 0 ? 1 : width / known;
  if (open > 1 || known * rest !== width || !Number.isInteger(rest)) {
    throw invalidArgument(
      `Name: <unknown>, Key: ${name}.  Number of ${tensorflowName(datatype)} values != expected.  ` +
        `Values size: ${width} but output shape: [${declared.join(",")}]`,
    );
  }
  return declared.map((size) => (size === -1 ? rest : size));
}
