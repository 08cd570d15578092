// Binary data of a tensor, as requests carry it, to tensor data: its size checked, numbers left where they lie.

import { isUtf8 } from "node:buffer";

import { invalidArgument } from "../inference-error.ts";
import { type Datatype, elementBytes, type TensorData } from "./datatypes.ts";

/** BYTES: the length before each element, little-endian. */
export const LENGTH_BYTES = 4;

const REPLACEMENT = "\ufffd";

/**
 * The data of a tensor with `count` elements. Numbers are returned as the bytes given, not copied. Throws
 * `INVALID_ARGUMENT` unless the bytes are exactly as many as the elements take, each BOOL is 0 or 1, and each element of
 * BYTES is a text of valid UTF-8 without NUL.
 *
 * @param what names the tensor in messages, for example `input "x"`
 */
export function decodeBinaryData(datatype: Datatype, count: number, bytes: Uint8Array, what: string): TensorData {
  if (datatype === "BYTES") {
    return decodeTexts(count, bytes, what);
  }
  const expected = count * elementBytes(datatype);
  if (bytes.length !== expected) {
    throw invalidArgument(
      `${what}: its binary data has ${bytes.length} bytes; ${count} element(s) of ${datatype} take ${expected}`,
    );
  }
  if (datatype === "BOOL") {
    checkBooleans(bytes, what);
  }
  return bytes;
}

function checkBooleans(bytes: Uint8Array, what: string): void {
  for (let index = 0; index < bytes.length; index += 1) {
    if ((bytes[index] as number) > 1) {
      throw invalidArgument(`${what}: element ${index} of its binary data is ${bytes[index]}; BOOL takes 0 and 1`);
    }
  }
}

/** One text without a length before it, as a raw request has it. Throws as `decodeBinaryData` does. */
export function decodeText(bytes: Uint8Array, what: string): string {
  return readText(asBuffer(bytes), 0, bytes.length, () => what);
}

function decodeTexts(count: number, bytes: Uint8Array, what: string): string[] {
  // Checked before memory is taken: the shape alone must not be able to ask for it.
  if (count * LENGTH_BYTES > bytes.length) {
    throw wrongLengths(count, bytes, what);
  }
  const buffer = asBuffer(bytes);
  const texts: string[] = [];
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    const start = offset + LENGTH_BYTES;
    if (start > bytes.length || buffer.readUInt32LE(offset) > bytes.length - start) {
      throw wrongLengths(count, bytes, what);
    }
    const end = start + buffer.readUInt32LE(offset);
    texts.push(readText(buffer, start, end, () => `${what}: element ${index}`));
    offset = end;
  }
  if (offset !== bytes.length) {
    throw wrongLengths(count, bytes, what);
  }
  return texts;
}

function readText(buffer: Buffer, start: number, end: number, what: () => string): string {
  const text = buffer.toString("utf8", start, end);
  // onnxruntime-node ends texts at NUL and replaces what is no UTF-8: better refused than changed.
  if (text.includes("\0") || (text.includes(REPLACEMENT) && !isUtf8(buffer.subarray(start, end)))) {
    throw invalidArgument(`${what()} is no text; BYTES takes valid UTF-8 without NUL`);
  }
  return text;
}

function wrongLengths(count: number, bytes: Uint8Array, what: string): Error {
  return invalidArgument(
    `${what}: its binary data must be ${count} element(s) of BYTES in exactly ${bytes.length} bytes, ` +
      `each after its length in ${LENGTH_BYTES} bytes, little-endian`,
  );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
