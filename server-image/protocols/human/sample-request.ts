// A request that the model takes, made up from its description: what the page's form starts with.

import type { ModelMetadata } from "../../models/metadata.ts";
import { candidateShapes, type Shapes } from "../../models/sample-inputs.ts";
import type { Datatype, TensorSpec } from "../../tensors/datatypes.ts";

/** More elements than this would fill the form: they are left to whoever sends the request. */
const MAX_SHOWN_ELEMENTS = 64;

/** Stands for data of the tensor's size in the page, which replaces it before it sends the request. */
export const RANDOM = "random";

export interface SampleInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: Datatype;
  readonly data: readonly unknown[] | typeof RANDOM;
}

export interface SampleRequest {
  readonly inputs: readonly SampleInput[];
  readonly parameters?: { readonly binary_data_output: true };
}

/**
 * Undefined where the model cannot be asked in JSON.
 *
 * @param shapes those that the model was warmed up with; undefined where that is not known: then a guess
 */
export function sampleRequest(metadata: ModelMetadata, shapes: Shapes | undefined): SampleRequest | undefined {
  if (metadata.inputs.some(({ datatype }) => datatype === "FP16")) {
    return undefined;
  }
  const known = shapes ?? candidateShapes(metadata.inputs)[0] ?? [];
  const inputs = metadata.inputs.map((spec, index) => sampleInput(spec, known[index] ?? []));
  // What has no JSON comes as bytes.
  return metadata.outputs.some(({ datatype }) => datatype === "FP16")
    ? { inputs, parameters: { binary_data_output: true } }
    : { inputs };
}

function sampleInput({ name, datatype }: TensorSpec, shape: readonly number[]): SampleInput {
  const count = shape.reduce((product, size) => product * size, 1);
  const data =
    count > MAX_SHOWN_ELEMENTS ? RANDOM : Array.from({ length: count }, (_, index) => element(datatype, index));
  return { name, shape, datatype, data };
}

/** Integers are 0 and 1, which an index into a table can bear. */
function element(datatype: Datatype, index: number): unknown {
  switch (datatype) {
    case "BOOL":
      return index % 2 === 1;
    case "BYTES":
      return `text ${index + 1}`;
    case "FP16":
    case "FP32":
    case "FP64":
      return (index % 10) / 10;
    default:
      return index % 2;
  }
}

/** Indented, with each list of plain values on one line. */
export function formatSample(sample: SampleRequest): string {
  return JSON.stringify(sample, null, 2).replaceAll(/\[\s+([^[\]{}]*?)\s+\]/g, (_, values: string) => {
    return `[${values.replaceAll(/,\s+/g, ", ")}]`;
  });
}
