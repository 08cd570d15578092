// Whether a request fits the model: names, datatypes, shapes, asked outputs. onnxruntime itself ignores unknown inputs.

import { invalidArgument } from "../inference-error.ts";
import type { TensorSpec } from "../tensors/datatypes.ts";
import { shapeFits, showShape } from "../tensors/shape.ts";
import type { ModelMetadata } from "./metadata.ts";

/** The head of an input as a client names it, before its data is read. */
export interface InputHead {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** The model's own description of one input that a request names. Throws `INVALID_ARGUMENT`. */
export function checkInput(metadata: ModelMetadata, input: InputHead): TensorSpec {
  const what = `input ${JSON.stringify(input.name)}`;
  const spec = findInput(metadata, input.name);
  if (input.datatype !== spec.datatype) {
    throw invalidArgument(`${what}: datatype is ${JSON.stringify(input.datatype)}; the model takes ${spec.datatype}`);
  }
  if (!shapeFits(input.shape, spec.shape)) {
    const anySize = spec.shape.includes(-1) ? " (-1: any size)" : "";
    throw invalidArgument(
      `${what}: shape is ${showShape(input.shape)}; the model takes ${showShape(spec.shape)}${anySize}`,
    );
  }
  return spec;
}

/** Throws `INVALID_ARGUMENT` unless each input of the model is given once and nothing else. */
export function checkInputSet(metadata: ModelMetadata, names: readonly string[]): void {
  refuseTooMany(names, metadata.inputs, "input");
  refuseDuplicates(names, "input");
  for (const name of names) {
    findInput(metadata, name);
  }
  const missing = metadata.inputs.filter(({ name }) => !names.includes(name));
  if (missing.length > 0) {
    throw invalidArgument(`missing ${showNames(missing)}; the model takes ${showNames(metadata.inputs)}`);
  }
}

/** The outputs to compute: those asked for, all when none is named. Throws `INVALID_ARGUMENT`. */
export function selectOutputs(metadata: ModelMetadata, asked: readonly string[]): string[] {
  refuseTooMany(asked, metadata.outputs, "output");
  refuseDuplicates(asked, "output");
  const unknown = asked.find((wanted) => metadata.outputs.every(({ name }) => name !== wanted));
  if (unknown !== undefined) {
    throw invalidArgument(
      `output ${JSON.stringify(unknown)}: the model has no such output; it gives ${showNames(metadata.outputs)}`,
    );
  }
  return asked.length > 0 ? [...asked] : metadata.outputs.map(({ name }) => name);
}

function findInput(metadata: ModelMetadata, name: string): TensorSpec {
  const spec = metadata.inputs.find((input) => input.name === name);
  if (spec === undefined) {
    const takes = showNames(metadata.inputs);
    throw invalidArgument(`input ${JSON.stringify(name)}: the model has no such input; it takes ${takes}`);
  }
  return spec;
}

/** First of all, so that no other check looks at a list as long as a client likes. */
function refuseTooMany(names: readonly string[], specs: readonly TensorSpec[], kind: string): void {
  if (names.length > specs.length) {
    throw invalidArgument(
      `"${kind}s" has ${names.length} elements; the model has ${specs.length} ${kind}(s): ${showNames(specs)}`,
    );
  }
}

function refuseDuplicates(names: readonly string[], kind: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) {
      throw invalidArgument(`${kind} ${JSON.stringify(name)} already exists in request`);
    }
    seen.add(name);
  }
}

function showNames(specs: readonly TensorSpec[]): string {
  return specs.length === 0
    ? "none"
    : specs.map(({ name, datatype, shape }) => `${JSON.stringify(name)} (${datatype} ${showShape(shape)})`).join(", ");
}
