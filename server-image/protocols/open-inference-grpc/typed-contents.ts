// Tensor data from InferTensorContents, the form in which each element is a protobuf scalar.

import { type InferenceError, invalidArgument } from "../../inference-error.ts";
import { decodeText } from "../../tensors/binary-decode.ts";
import { bytesOf, type Datatype, type FixedSizeDatatype, type TensorData, zeros } from "../../tensors/datatypes.ts";
import {
  FIXED32,
  FIXED64,
  LENGTH_DELIMITED,
  readFields,
  readHalves,
  readVarints,
  VARINT,
  type WireReader,
} from "./wire.ts";

/** By number; 0 is none. */
const FIELDS = [
  "",
  "bool_contents",
  "int_contents",
  "int64_contents",
  "uint_contents",
  "uint64_contents",
  "fp32_contents",
  "fp64_contents",
  "bytes_contents",
] as const;

const FIELD_OF: Readonly<Record<Exclude<Datatype, "FP16">, (typeof FIELDS)[number]>> = {
  BOOL: "bool_contents",
  INT8: "int_contents",
  INT16: "int_contents",
  INT32: "int_contents",
  INT64: "int64_contents",
  UINT8: "uint_contents",
  UINT16: "uint_contents",
  UINT32: "uint_contents",
  UINT64: "uint64_contents",
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  BYTES: "bytes_contents",
};

/** What one input is to be. */
export interface Expected {
  readonly datatype: Datatype;
  /** Elements. */
  readonly count: number;
  /** Names the input in messages, for example `input "x"`. */
  readonly what: string;
}

/**
 * The data of a tensor. Throws `INVALID_ARGUMENT` unless the elements are in the field of the datatype alone, exactly as
 * many as expected, and each such as the datatype can hold.
 */
export function decodeContents(contents: Uint8Array, expected: Expected): TensorData {
  const { datatype, what } = expected;
  switch (datatype) {
    case "FP16":
      throw invalidArgument(`${what}: FP16 has no field in "contents"; send it in "raw_input_contents"`);
    case "BYTES":
      return decodeTexts(contents, expected);
    case "FP32":
      return decodeFloats(contents, expected, { wireType: FIXED32, size: 4 });
    case "FP64":
      return decodeFloats(contents, expected, { wireType: FIXED64, size: 8 });
    case "INT64":
    case "UINT64":
      return decodeLongs(contents, expected, datatype);
    default:
      return decodeIntegers(contents, expected, datatype);
  }
}

function decodeTexts(contents: Uint8Array, expected: Expected): string[] {
  checkRoom(contents, expected, 2);
  const texts: string[] = [];
  readElements(contents, expected, (reader, wireType) => {
    if (wireType !== LENGTH_DELIMITED) {
      return false;
    }
    checkNotFull(texts.length, expected);
    texts.push(decodeText(reader.bytes(), `${expected.what}: element ${texts.length}`));
    return true;
  });
  checkCount(texts.length, expected);
  return texts;
}

/** They lie in the message as they lie in a tensor, and usually in one piece: then there is nothing to do. */
function decodeFloats(
  contents: Uint8Array,
  expected: Expected,
  { wireType: single, size }: { wireType: number; size: number },
): Uint8Array {
  checkRoom(contents, expected, size);
  const length = expected.count * size;
  let data: Uint8Array = new Uint8Array(0);
  let filled = 0;
  readElements(contents, expected, (reader, wireType) => {
    if (wireType !== LENGTH_DELIMITED && wireType !== single) {
      return false;
    }
    const part = wireType === single ? takeBytes(reader, size) : reader.bytes();
    if (filled + part.length > length) {
      throw wrongCount("too many", expected);
    }
    if (part.length === length) {
      data = part;
    } else if (part.length > 0) {
      data = data.length === length ? data : new Uint8Array(length);
      data.set(part, filled);
    }
    filled += part.length;
    return true;
  });
  checkCount(filled / size, expected);
  return data;
}

function takeBytes(reader: WireReader, length: number): Uint8Array {
  const start = reader.pos;
  reader.skip(length);
  return reader.buf.subarray(start, reader.pos);
}

function decodeLongs(contents: Uint8Array, expected: Expected, datatype: "INT64" | "UINT64"): Uint8Array {
  checkRoom(contents, expected, 1);
  const data = zeros(datatype, expected.count);
  const halves = new Uint32Array(data.buffer);
  readScalars(contents, expected, (reader, index) => {
    readHalves(reader, halves, 2 * index);
  });
  return bytesOf(data);
}

type Integer = Exclude<FixedSizeDatatype, "INT64" | "UINT64" | "FP16" | "FP32" | "FP64">;

function decodeIntegers(contents: Uint8Array, expected: Expected, datatype: Integer): Uint8Array {
  checkRoom(contents, expected, 1);
  const data = zeros(datatype, expected.count);
  const unsigned = datatype.startsWith("U");
  const isBoolean = datatype === "BOOL";
  readScalars(contents, expected, (reader, index) => {
    const value = isBoolean ? Number(reader.bool()) : unsigned ? reader.uint32() : reader.int32();
    data[index] = value;
    if (data[index] !== value) {
      throw invalidArgument(`${expected.what}: element ${index} is ${value}, which ${datatype} cannot hold`);
    }
  });
  return bytesOf(data);
}

/** Calls `read` once for each element of numbers written as varints. */
function readScalars(
  contents: Uint8Array,
  expected: Expected,
  read: (reader: WireReader, index: number) => void,
): void {
  let index = 0;
  readElements(contents, expected, (reader, wireType) => {
    if (wireType !== VARINT && wireType !== LENGTH_DELIMITED) {
      return false;
    }
    readVarints(reader, wireType, () => {
      checkNotFull(index, expected);
      read(reader, index);
      index += 1;
    });
    return true;
  });
  checkCount(index, expected);
}

/** Calls `read` where the field of the datatype occurs; it must read that and return true, or return false. */
function readElements(
  contents: Uint8Array,
  { datatype, what }: Expected,
  read: (reader: WireReader, wireType: number) => boolean,
): void {
  const field = fieldOf(datatype);
  readFields(contents, `${what}: "contents"`, (number, wireType, reader) => {
    const name = FIELDS[number];
    if (name === field) {
      return read(reader, wireType);
    }
    const isEmpty = wireType === LENGTH_DELIMITED && reader.buf[reader.pos] === 0;
    if (name !== undefined && !isEmpty) {
      throw invalidArgument(`${what}: ${datatype} belongs in "${field}" of "contents", not in "${name}"`);
    }
    return false;
  });
}

/** Before memory is taken: the shape alone must not be able to ask for it. */
function checkRoom(contents: Uint8Array, expected: Expected, leastBytes: number): void {
  if (expected.count * leastBytes > contents.length) {
    // Perhaps they are in another field.
    readElements(contents, expected, () => false);
    throw wrongCount("too few", expected);
  }
}

function checkNotFull(length: number, expected: Expected): void {
  if (length === expected.count) {
    throw wrongCount("too many", expected);
  }
}

function checkCount(length: number, expected: Expected): void {
  if (length !== expected.count) {
    throw wrongCount(String(length), expected);
  }
}

function wrongCount(found: string, { datatype, count, what }: Expected): InferenceError {
  return invalidArgument(`${what}: "${fieldOf(datatype)}" has ${found} elements; the shape takes ${count}`);
}

function fieldOf(datatype: Datatype): string {
  return datatype === "FP16" ? "raw_input_contents" : FIELD_OF[datatype];
}
