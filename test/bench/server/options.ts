// What a person may ask of the benchmark, as variables of the environment.

import type { GivenShapes } from "./sample-tensors.ts";

export const modelKinds = ["tiny", "mlp", "resnet"] as const;
export type ModelKind = (typeof modelKinds)[number];

export interface GivenModel {
  /** Undefined: the benchmark's own. */
  readonly path: string | undefined;
  readonly shapes: GivenShapes;
}

export interface BenchOptions {
  /** How often each figure is measured; the median counts. */
  readonly repeats: number;
  /** Of one measurement in a closed loop; a whole number. Others are in proportion to it. */
  readonly seconds: number;
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
  readonly serverCommand: readonly string[];
  readonly models: Readonly<Record<ModelKind, GivenModel>>;
}

/** A setting that is not allowed. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads REPEATS, SECONDS, ONLY (scenarios, with commas), SERVER_COMMAND, and for each kind of model KIND_MODEL (a path)
 * and KIND_SHAPES (JSON: shapes of inputs by name, where the model leaves more than the batch open).
 *
 * @param scenarios the names that ONLY may have
 * @param serverCommand where SERVER_COMMAND is not set
 * Throws OptionError.
 */
export function readOptions(
  environment: Environment,
  scenarios: readonly string[],
  serverCommand: readonly string[],
): BenchOptions {
  const given = environment["SERVER_COMMAND"]?.split(/\s+/).filter((word) => word !== "") ?? [];
  return {
    repeats: readCount(environment, "REPEATS", { standard: 3, most: 99 }),
    seconds: readCount(environment, "SECONDS", { standard: 3, most: 600 }),
    only: readNames(environment["ONLY"], scenarios),
    serverCommand: given.length > 0 ? given : serverCommand,
    models: {
      tiny: readModel(environment, "TINY"),
      mlp: readModel(environment, "MLP"),
      resnet: readModel(environment, "RESNET"),
    },
  };
}

/** A whole number from 1 on. Throws OptionError. */
export function readCount(
  environment: Environment,
  name: string,
  { standard, most }: { standard: number; most: number },
): number {
  const text = environment[name] || String(standard);
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new OptionError(`${name} is ${JSON.stringify(text)}: allowed are whole numbers from 1 to ${most}`);
  }
  return value;
}

function readNames(text: string | undefined, allowed: readonly string[]): string[] {
  const names = (text ?? "").split(/[\s,]+/).filter((name) => name !== "");
  const unknown = names.find((name) => !allowed.includes(name));
  if (unknown !== undefined) {
    throw new OptionError(`ONLY names ${JSON.stringify(unknown)}: allowed are ${allowed.join(", ")}`);
  }
  return names;
}

function readModel(environment: Environment, kind: string): GivenModel {
  return {
    path: environment[`${kind}_MODEL`] || undefined,
    shapes: readShapes(`${kind}_SHAPES`, environment[`${kind}_SHAPES`] || "{}"),
  };
}

function readShapes(name: string, text: string): GivenShapes {
  const wrong = new OptionError(`${name} is ${JSON.stringify(text)}: allowed is JSON such as {"x": [1, 3, 224, 224]}`);
  let shapes: unknown;
  try {
    shapes = JSON.parse(text);
  } catch {
    throw wrong;
  }
  const isShape = (shape: unknown) =>
    Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && size >= 0);
  if (typeof shapes !== "object" || shapes === null || !Object.values(shapes).every(isShape)) {
    throw wrong;
  }
  return shapes as GivenShapes;
}
