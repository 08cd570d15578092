// JSON values to the memory of a tensor by TensorFlow Serving's rules: each checked, none rounded, its texts of refusal.

import { InferenceError, invalidArgument } from "../../inference-error.ts";
import { decodeText } from "../../tensors/binary-decode.ts";
import { bytesOf, type Datatype, type TensorData, zeros } from "../../tensors/datatypes.ts";
import { WholeDecimal } from "./exact-json.ts";
import { fieldOf, isObject, SOURCE_NEEDED } from "./json-document.ts";
import { showValue, typeOf } from "./show-value.ts";

/** What TensorFlow calls each type in messages. */
const TENSORFLOW_NAMES = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "half",
  FP32: "float",
  FP64: "double",
  BYTES: "string",
} as const satisfies Record<Datatype, string>;

export function tensorflowName(datatype: Datatype): string {
  return TENSORFLOW_NAMES[datatype];
}

export interface ValueRules {
  readonly datatype: Datatype;
  /** Of the lists that hold the values, the innermost included. */
  readonly rank: number;
  /** Whether the values tell how they were written, see JsonDocument. */
  readonly exact: boolean;
}

/** Writes one list of values from `offset` on. Throws an InferenceError, or `SOURCE_NEEDED`. */
export type ValuesWriter = (values: readonly unknown[], offset: number) => void;

/** Memory for `count` elements, and what fills it. */
export function valuesWriter(rules: ValueRules, count: number): [TensorData, ValuesWriter] {
  const { datatype } = rules;
  switch (datatype) {
    case "FP32":
    case "FP64": {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), floatWriter(memory, rules)];
    }
    case "INT64":
    case "UINT64": {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), wideIntegerWriter(memory, rules)];
    }
    case "BOOL": {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), booleanWriter(memory, rules)];
    }
    case "BYTES": {
      const memory: string[] = [];
      return [memory, textWriter(memory, rules)];
    }
    case "FP16":
    case "UINT16":
      return [bytesOf(zeros(datatype, 0)), refuseAll(rules)];
    default: {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), integerWriter(memory, rules)];
    }
  }
}

function floatWriter(memory: Float32Array | Float64Array, rules: ValueRules): ValuesWriter {
  const largestWhole = rules.datatype === "FP32" ? 2 ** 24 - 1 : 2 ** 53 - 1;
  return (values, offset) => {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index];
      // Nearly all values; the others cost a call.
      memory[offset + index] =
        typeof value === "number" && value <= largestWhole && value >= -largestWhole ? value : otherFloat(value, rules);
    }
  };
}

const LARGEST_FLOAT = 3.4028234663852886e38;

/** NaN, infinities, numbers written as 1.0 where that is known, large ones, and what is no number. */
function otherFloat(value: unknown, rules: ValueRules): number {
  if (value instanceof WholeDecimal) {
    return inRange(value.value, value, rules);
  }
  if (typeof value === "bigint") {
    // An integer that fits in 64 bits would lose digits; a longer one counts as a decimal.
    if (value >= -(2n ** 63n) && value < 2n ** 64n) {
      throw lossy(value, rules);
    }
    return inRange(Number(value), value, rules);
  }
  if (typeof value !== "number") {
    throw refusal(value, rules);
  }
  if (!rules.exact && (Number.isInteger(value) || !Number.isFinite(value))) {
    throw SOURCE_NEEDED;
  }
  if (Number.isInteger(value)) {
    throw lossy(value, rules);
  }
  return Number.isFinite(value) ? inRange(value, value, rules) : value;
}

function inRange(number: number, value: unknown, rules: ValueRules): number {
  if (rules.datatype === "FP32" && Math.abs(number) > LARGEST_FLOAT) {
    throw lossy(value, rules);
  }
  return number;
}

function integerWriter(
  memory: Uint8Array | Uint32Array | Int8Array | Int16Array | Int32Array,
  rules: ValueRules,
): ValuesWriter {
  return (values, offset) => {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index];
      // What does not fit wraps around in the typed array, so reading it back is the range check.
      memory[offset + index] = typeof value === "number" ? value : 0;
      if (memory[offset + index] !== value) {
        throw refusal(value, rules);
      }
    }
  };
}

function wideIntegerWriter(memory: BigInt64Array | BigUint64Array, rules: ValueRules): ValuesWriter {
  return (values, offset) => {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index];
      if (!rules.exact && Number.isInteger(value) && !Number.isSafeInteger(value)) {
        throw SOURCE_NEEDED;
      }
      const integer = Number.isSafeInteger(value) ? BigInt(value as number) : value;
      memory[offset + index] = typeof integer === "bigint" ? integer : 0n;
      if (memory[offset + index] !== integer) {
        throw refusal(value, rules);
      }
    }
  };
}

function booleanWriter(memory: Uint8Array, rules: ValueRules): ValuesWriter {
  return (values, offset) => {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index];
      if (typeof value !== "boolean") {
        throw refusal(value, rules);
      }
      memory[offset + index] = value ? 1 : 0;
    }
  };
}

function textWriter(memory: string[], rules: ValueRules): ValuesWriter {
  return (values, offset) => {
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index];
      memory[offset + index] = typeof value === "string" ? checkText(value, rules) : decodeBase64(value, rules);
    }
  };
}

function checkText(value: string, rules: ValueRules): string {
  if (!value.isWellFormed() && !rules.exact) {
    // Half a pair is a fault of the JSON text, which is known only where that is read exactly.
    throw SOURCE_NEEDED;
  }
  if (value.includes("\0")) {
    throw invalidArgument(`JSON Value: ${showValue(value)} is no text that the model can take: it has a NUL`);
  }
  return value;
}

/** TensorFlow Serving's name for what a string of any bytes is wrapped in. */
const BASE64_KEY = "b64";
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** An object with this one key is a value, not an object of named values. */
export function isBase64(value: unknown): value is Readonly<Record<typeof BASE64_KEY, string>> {
  return isObject(value) && typeof fieldOf(value, BASE64_KEY) === "string" && Object.keys(value).length === 1;
}

function decodeBase64(value: unknown, rules: ValueRules): string {
  if (!isObject(value)) {
    throw refusal(value, rules);
  }
  if (!isBase64(value)) {
    throw invalidArgument(`JSON Value: ${showValue(value)} not formatted correctly for base64 data`);
  }
  const text = value[BASE64_KEY].replaceAll(/\s/g, "");
  const length = text.replace(/=+$/, "").length;
  if (!BASE64.test(text) || length % 4 === 1 || (length < text.length && text.length % 4 !== 0)) {
    throw invalidArgument("Unable to base64 decode");
  }
  return decodeText(Buffer.from(text, "base64"), `JSON Value: ${showValue(value)}`);
}

function refuseAll(rules: ValueRules): ValuesWriter {
  return ([value]) => {
    if (value !== undefined) {
      throw refusal(value, rules);
    }
  };
}

function refusal(value: unknown, { datatype, rank }: ValueRules): InferenceError {
  if (Array.isArray(value)) {
    return invalidArgument(`Encountered list at unexpected level: ${rank} expected < ${rank}`);
  }
  const name = tensorflowName(datatype);
  const unknownType = datatype === "FP16" || datatype === "UINT16";
  if (unknownType && !isObject(value)) {
    return new InferenceError("UNSUPPORTED", `Conversion of JSON Value: ${showValue(value)} to type: ${name}`);
  }
  return invalidArgument(`JSON Value: ${showValue(value)} Type: ${typeOf(value)} is not of expected type: ${name}`);
}

function lossy(value: unknown, { datatype }: ValueRules): InferenceError {
  const name = tensorflowName(datatype);
  return invalidArgument(`Cannot convert JSON value: ${showValue(value)} to ${name} without loss of precision.`);
}
