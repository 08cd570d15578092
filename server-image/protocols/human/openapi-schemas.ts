// JSON Schemas of a model's requests and answers, in both REST protocols, from the shapes and datatypes it declares.

import type { ModelMetadata } from "../../models/metadata.ts";
import type { Datatype, TensorSpec } from "../../tensors/datatypes.ts";

type Schema = Readonly<Record<string, unknown>>;

export function errorSchema(): Schema {
  return object({ error: { type: "string" } });
}

/** The answer to a question after the model. */
export function metadataSchema({ name, version, platform, inputs, outputs }: ModelMetadata): Schema {
  return object({
    name: { const: name },
    versions: { const: [version] },
    platform: { const: platform },
    inputs: { const: inputs.map(describe) },
    outputs: { const: outputs.map(describe) },
    parameters: { type: "object" },
  });
}

function describe({ name, datatype, shape }: TensorSpec): unknown {
  return { name, datatype, shape };
}

/** Requests with all data as JSON. */
export function inferRequestSchema({ inputs, outputs }: ModelMetadata): Schema {
  const asked = {
    type: "array",
    description: "The outputs to compute; all where it is left out.",
    items: { ...object({ name: { enum: outputs.map(({ name }) => name) } }), additionalProperties: true },
  };
  return object(
    {
      id: { type: "string" },
      parameters: { type: "object" },
      inputs: list(inputs.map(tensorSchema)),
      outputs: asked,
    },
    inputs.length === 0 ? [] : ["inputs"],
  );
}

export function inferResponseSchema({ name, version, outputs }: ModelMetadata): Schema {
  return object(
    {
      model_name: { const: name },
      model_version: { const: version },
      id: { type: "string" },
      parameters: { type: "object" },
      outputs: list(outputs.map(tensorSchema)),
    },
    ["model_name", "model_version", "id", "outputs"],
  );
}

/** One of each, in any order. */
function list(items: readonly Schema[]): Schema {
  return items.length === 0
    ? { type: "array", maxItems: 0 }
    : { type: "array", items: { oneOf: items }, minItems: 1, maxItems: items.length };
}

function tensorSchema({ name, datatype, shape }: TensorSpec): Schema {
  const fields = { name: { const: name }, shape: shapeSchema(shape), datatype: { const: datatype } };
  const parameters = { type: "object" };
  if (datatype === "FP16") {
    return {
      ...object({ ...fields, parameters: binaryData() }, ["name", "shape", "datatype", "parameters"]),
      description: "FP16 has no JSON form: its data follows the JSON part of the body (binary tensor data extension).",
    };
  }
  return object({ ...fields, parameters, data: dataSchema(datatype, shape) }, ["name", "shape", "datatype", "data"]);
}

function binaryData(): Schema {
  return object({ binary_data_size: { type: "integer", minimum: 0 } });
}

function shapeSchema(shape: readonly number[]): Schema {
  const sizes = shape.map((size) => (size === -1 ? { type: "integer", minimum: 0 } : { const: size }));
  return { ...tuple(sizes), description: `The model takes ${JSON.stringify(shape)}; -1 stands for any size.` };
}

function tuple(items: readonly Schema[]): Schema {
  const length = { minItems: items.length, maxItems: items.length };
  return items.length === 0 ? { type: "array", ...length } : { type: "array", prefixItems: items, ...length };
}

/** One flat list in row-major order, or lists nested as the shape says. */
function dataSchema(datatype: Datatype, shape: readonly number[]): Schema {
  const element = elementSchema(datatype);
  const nested = nestedSchema(element, shape);
  if (shape.length === 1) {
    return nested;
  }
  const flat = { type: "array", items: element };
  return { anyOf: [flat, nested] };
}

function nestedSchema(element: Schema, shape: readonly number[]): Schema {
  return shape.reduceRight<Schema>((items, size) => {
    return size === -1 ? { type: "array", items } : { type: "array", items, minItems: size, maxItems: size };
  }, element);
}

const INTEGER_BITS = /^(U?)INT(\d+)$/;

function elementSchema(datatype: Datatype): Schema {
  if (datatype === "BOOL") {
    return { type: "boolean" };
  }
  if (datatype === "BYTES") {
    return { type: "string" };
  }
  const [, unsigned, bits] = INTEGER_BITS.exec(datatype) ?? [];
  return bits === undefined ? { type: "number" } : integerSchema(unsigned === "U", Number(bits));
}

function integerSchema(unsigned: boolean, bits: number): Schema {
  if (bits === 64) {
    // Its bounds are beyond what numbers of JSON documents are safe for.
    return unsigned ? { type: "integer", minimum: 0, format: "uint64" } : { type: "integer", format: "int64" };
  }
  return unsigned
    ? { type: "integer", minimum: 0, maximum: 2 ** bits - 1 }
    : { type: "integer", minimum: -(2 ** (bits - 1)), maximum: 2 ** (bits - 1) - 1 };
}

/** TensorFlow Serving's two forms; the batch dimension is the number of instances. */
export function predictRequestSchema({ inputs }: ModelMetadata): Schema {
  const signature = { signature_name: { const: "serving_default" } };
  const rows = { type: "array", minItems: 1, items: named(inputs, rowSchema) };
  return {
    oneOf: [
      { ...object({ ...signature, instances: rows }, ["instances"]), title: "Rows" },
      { ...object({ ...signature, inputs: named(inputs, valueSchema) }, ["inputs"]), title: "Columns" },
    ],
  };
}

export function predictResponseSchema({ outputs }: ModelMetadata): Schema {
  return {
    oneOf: [
      { ...object({ predictions: { type: "array", items: named(outputs, rowSchema) } }), title: "Rows" },
      { ...object({ outputs: named(outputs, valueSchema) }), title: "Columns" },
    ],
  };
}

/** A single tensor may go without its name. */
function named(specs: readonly TensorSpec[], schema: (spec: TensorSpec) => Schema): Schema {
  const all = object(Object.fromEntries(specs.map((spec) => [spec.name, schema(spec)])));
  const [only] = specs;
  return only !== undefined && specs.length === 1 ? { anyOf: [schema(only), all] } : all;
}

function rowSchema({ datatype, shape }: TensorSpec): Schema {
  return nestedSchema(tensorflowElement(datatype), shape.slice(1));
}

function valueSchema({ datatype, shape }: TensorSpec): Schema {
  return nestedSchema(tensorflowElement(datatype), shape);
}

/** Strings may be wrapped as base64 there. */
function tensorflowElement(datatype: Datatype): Schema {
  return datatype === "BYTES"
    ? { anyOf: [{ type: "string" }, object({ b64: { type: "string", contentEncoding: "base64" } })] }
    : elementSchema(datatype);
}

function object(properties: Readonly<Record<string, unknown>>, required = Object.keys(properties)): Schema {
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}), additionalProperties: false };
}
