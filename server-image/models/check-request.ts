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
  const spec = findInput(metadata, input.name);
  if (input.datatype !== spec.datatype) {
    throw invalidArgument(
      `input ${JSON.stringify(input.name)}: datatype is ${JSON.stringify(input.datatype)}; ` +
        `the model takes ${spec.datatype}`,
    );
  }
  if (!shapeFits(input.shape, spec.shape)) {
    const anySize = spec.shape.includes(-1) ? " (-1: any size)" : "";
    throw invalidArgument(
      `input ${JSON.stringify(input.name)}: shape is ${showShape(input.shape)}; ` +
        `the model takes ${showShape(spec.shape)}${anySize}`,
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
  if (names.length < metadata.inputs.length) {
    const missing = metadata.inputs.filter(({ name }) => !names.includes(name));
    throw invalidArgument(`missing ${showNames(missing)}; the model takes ${showNames(metadata.inputs)}`);
  }
}

/** The outputs to compute: those asked for, all when none is named. Throws `INVALID_ARGUMENT`. */
export function selectOutputs(metadata: ModelMetadata, asked: readonly string[]): readonly string[] {
  const { outputs, outputNames } = byName(metadata);
  if (asked.length === 0) {
    return outputNames;
  }
  refuseTooMany(asked, metadata.outputs, "output");
  refuseDuplicates(asked, "output");
  const unknown = asked.find((name) => !outputs.has(name));
  if (unknown !== undefined) {
    throw invalidArgument(
      `output ${JSON.stringify(unknown)}: the model has no such output; it gives ${showNames(metadata.outputs)}`,
    );
  }
  return asked;
}

interface Names {
  readonly inputs: ReadonlyMap<string, TensorSpec>;
  readonly outputs: ReadonlySet<string>;
  readonly outputNames: readonly string[];
}

/** Made once for each loaded model: requests come by the ten thousand per second. */
const NAMES = new WeakMap<ModelMetadata, Names>();

function byName(metadata: ModelMetadata): Names {
  const known = NAMES.get(metadata);
  if (known !== undefined) {
    return known;
  }
  const outputNames = metadata.outputs.map(({ name }) => name);
  const made: Names = {
    inputs: new Map(metadata.inputs.map((spec) => [spec.name, spec])),
    outputs: new Set(outputNames),
    outputNames,
  };
  NAMES.set(metadata, made);
  return made;
}

function findInput(metadata: ModelMetadata, name: string): TensorSpec {
  const spec = byName(metadata).inputs.get(name);
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
  if (names.length < 2 || new Set(names).size === names.length) {
    return;
  }
  const twice = names.find((name, index) => names.indexOf(name) < index);
  throw invalidArgument(`${kind} ${JSON.stringify(twice)} already exists in request`);
}

function showNames(specs: readonly TensorSpec[]): string {
  return specs.length === 0
    ? "none"
    : specs.map(({ name, datatype, shape }) => `${JSON.stringify(name)} (${datatype} ${showShape(shape)})`).join(", ");
}
