// JSON data of a tensor, flat or nested, to typed memory: every element checked, nothing rounded silently.

import { invalidArgument } from "../inference-error.ts";
import { bytesOf, type Datatype, type TensorData, zeros } from "./datatypes.ts";
import { elementCount, showShape } from "./shape.ts";

/** Writes one row of JSON values from `offset` on. Throws `INVALID_ARGUMENT` naming the element. */
type RowWriter = (row: readonly unknown[], offset: number) => void;

/**
 * The data of an input. It is either one flat list in row-major order or lists nested exactly as `shape` says; a scalar
 * (shape []) may stand alone. Numbers that the datatype cannot hold are refused; `"NaN"`, `"Infinity"` and `"-Infinity"`
 * are taken for FP32 and FP64; 64-bit integers beyond 2^53 come as bigint (see json-text.ts).
 *
 * @param what names the tensor in messages, for example `input "x"`
 */
export function decodeJsonData(datatype: Datatype, shape: readonly number[], data: unknown, what: string): TensorData {
  const count = elementCount(shape, what);
  const list: readonly unknown[] = Array.isArray(data) || shape.length > 0 ? requireList(data, what) : [data];
  const nested = shape.length > 1 && Array.isArray(list[0]);
  // Checked before memory is taken: the shape alone must not be able to ask for it.
  if (!nested && list.length !== count) {
    throw invalidArgument(
      `${what}: "data" has ${list.length} elements, but shape ${showShape(shape)} has ${count}` +
        (shape.length > 1 ? " (a flat list, or lists nested as the shape says)" : ""),
    );
  }
  if (nested) {
    checkNesting(list, shape, what);
  }
  const [result, writeRow] = rowWriter(datatype, count, what);
  if (nested) {
    writeNested(list, shape.length - 1, 0, writeRow);
  } else {
    writeRow(list, 0);
  }
  return result;
}

function requireList(data: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(data)) {
    throw invalidArgument(`${what}: "data" must be a list`);
  }
  return data;
}

function checkNesting(list: readonly unknown[], shape: readonly number[], what: string): void {
  const [size, ...inner] = shape;
  if (list.length !== size) {
    throw invalidArgument(
      `${what}: "data" is nested otherwise than its shape says: a list of ${list.length} where ${size} are expected`,
    );
  }
  if (inner.length === 0) {
    return;
  }
  for (const item of list) {
    if (!Array.isArray(item)) {
      throw invalidArgument(`${what}: "data" mixes lists and values; give a flat list, or nest it as the shape says`);
    }
    checkNesting(item, inner, what);
  }
}

/** Returns the offset after what it wrote. */
function writeNested(list: readonly unknown[], levels: number, offset: number, writeRow: RowWriter): number {
  if (levels === 0) {
    writeRow(list, offset);
    return offset + list.length;
  }
  let next = offset;
  for (const item of list) {
    next = writeNested(item as readonly unknown[], levels - 1, next, writeRow);
  }
  return next;
}

function rowWriter(datatype: Datatype, count: number, what: string): [TensorData, RowWriter] {
  switch (datatype) {
    case "FP32":
    case "FP64": {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), floatWriter(memory, datatype, what)];
    }
    case "INT64":
    case "UINT64": {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), wideIntegerWriter(memory, datatype, what)];
    }
    case "BOOL": {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), booleanWriter(memory, what)];
    }
    case "BYTES": {
      const memory: string[] = [];
      return [memory, textWriter(memory, what)];
    }
    case "FP16":
      throw invalidArgument(`${what}: FP16 has no JSON form in the protocol; it needs the binary tensor extension`);
    default: {
      const memory = zeros(datatype, count);
      return [bytesOf(memory), integerWriter(memory, datatype, what)];
    }
  }
}

function wrong(value: unknown, index: number, what: string, allowed: string): Error {
  const shown = typeof value === "bigint" ? value.toString() : (JSON.stringify(value) ?? "nothing");
  return invalidArgument(`${what}: element ${index} of "data" is ${shown.slice(0, 60)}; ${allowed}`);
}

const NON_FINITE = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

function floatWriter(memory: Float32Array | Float64Array, datatype: "FP32" | "FP64", what: string): RowWriter {
  return (row, offset) => {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index];
      const number = typeof value === "number" ? value : otherFloat(value);
      memory[offset + index] = number ?? Number.NaN;
      if (number === undefined || (typeof value !== "string" && !Number.isFinite(memory[offset + index]))) {
        const allowed = `${datatype} takes numbers that it can hold, and "NaN", "Infinity", "-Infinity"`;
        throw wrong(value, offset + index, what, allowed);
      }
    }
  };
}

function otherFloat(value: unknown): number | undefined {
  if (typeof value === "bigint") {
    return Number(value);
  }
  return typeof value === "string" ? NON_FINITE.get(value) : undefined;
}

function integerWriter(
  memory: Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array,
  datatype: Datatype,
  what: string,
): RowWriter {
  return (row, offset) => {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index];
      // What does not fit wraps around in the typed array, so reading it back is the range check.
      memory[offset + index] = typeof value === "number" ? value : 0;
      if (memory[offset + index] !== value) {
        throw wrong(value, offset + index, what, `${datatype} takes integers ${integerRange(datatype)}`);
      }
    }
  };
}

function wideIntegerWriter(
  memory: BigInt64Array | BigUint64Array,
  datatype: "INT64" | "UINT64",
  what: string,
): RowWriter {
  return (row, offset) => {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index];
      const integer = Number.isSafeInteger(value) ? BigInt(value as number) : value;
      memory[offset + index] = typeof integer === "bigint" ? integer : 0n;
      if (memory[offset + index] !== integer) {
        const allowed = `${datatype} takes integers ${integerRange(datatype)}, written without point or exponent beyond 2^53`;
        throw wrong(value, offset + index, what, allowed);
      }
    }
  };
}

function integerRange(datatype: Datatype): string {
  const bits = Number(/\d+$/.exec(datatype)?.[0]);
  return datatype.startsWith("U") ? `from 0 to 2^${bits} - 1` : `from -2^${bits - 1} to 2^${bits - 1} - 1`;
}

function booleanWriter(memory: Uint8Array, what: string): RowWriter {
  return (row, offset) => {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index];
      if (typeof value !== "boolean") {
        throw wrong(value, offset + index, what, "BOOL takes true and false");
      }
      memory[offset + index] = value ? 1 : 0;
    }
  };
}

function textWriter(memory: string[], what: string): RowWriter {
  return (row, offset) => {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index];
      // onnxruntime-node ends texts at NUL and replaces what is no Unicode: better refused than changed.
      if (typeof value !== "string" || value.includes("\0") || !value.isWellFormed()) {
        throw wrong(value, offset + index, what, "BYTES takes strings of valid Unicode without NUL");
      }
      memory[offset + index] = value;
    }
  };
}
