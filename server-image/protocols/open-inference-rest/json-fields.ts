// Reading fields of a JSON request: what may be left out, what type the rest has, and errors that name the field.

import { InferenceError, invalidArgument } from "../../inference-error.ts";

export type Fields = Readonly<Record<string, unknown>>;

const NONE: Fields = Object.freeze({});

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Left out, or written as null, which clients that print whole objects do. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** The field "parameters"; without any where it is absent. Throws `INVALID_ARGUMENT`. */
export function readParameters(fields: Fields, what: string): Fields {
  const value = fields["parameters"];
  if (isAbsent(value)) {
    return NONE;
  }
  if (!isObject(value)) {
    throw invalidArgument(`${what}: "parameters" must be an object`);
  }
  return value;
}

/** Undefined where it is absent. Throws `INVALID_ARGUMENT`. */
export function readFlag(parameters: Fields, key: string, what: string): boolean | undefined {
  const value = parameters[key];
  if (isAbsent(value)) {
    return undefined;
  }
  if (typeof value !== "boolean") {
    throw invalidArgument(`${what}: parameter "${key}" must be true or false`);
  }
  return value;
}

/** Undefined where it is absent. Throws `INVALID_ARGUMENT`. */
export function readCount(parameters: Fields, key: string, what: string): number | undefined {
  const value = parameters[key];
  if (isAbsent(value)) {
    return undefined;
  }
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalidArgument(`${what}: parameter "${key}" must be an integer from 0 to 2^53 - 1`);
  }
  return value;
}

/** For parameters that ask for something else than this server does: ignored, they would give a wrong answer. */
export function refuseParameters(parameters: Fields, keys: readonly string[], what: string): void {
  for (const key of keys) {
    if (!isAbsent(parameters[key])) {
      throw new InferenceError("UNSUPPORTED", `${what}: parameter "${key}" is not supported by this server`);
    }
  }
}
