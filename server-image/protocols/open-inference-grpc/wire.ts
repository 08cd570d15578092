// Reading the wire format of Protocol Buffers where protobufjs' own reader is too lenient, or gives types that cost too much.

import protobuf from "protobufjs/minimal.js";

import { invalidArgument } from "../../inference-error.ts";

export type WireReader = protobuf.Reader;

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
export const FIXED32 = 5;

/**
 * Calls `read` with the number and wire type of each field. It must read the field and return true, or leave it where it
 * is and return false. Throws `INVALID_ARGUMENT` where the bytes are no message.
 *
 * @param what names the message in errors
 */
export function readFields(
  bytes: Uint8Array,
  what: string,
  read: (field: number, wireType: number, reader: WireReader) => boolean,
): void {
  const reader = protobuf.Reader.create(bytes);
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (!read(tag >>> 3, tag & 7, reader)) {
        reader.skipType(tag & 7);
      }
    }
  } catch (error) {
    // Those of this server say more.
    throw isReadersOwn(error) ? invalidArgument(`${what} is not a valid protobuf message`) : error;
  }
}

/** What the reader throws: nothing of its own kind, so told by what it is not. */
function isReadersOwn(error: unknown): boolean {
  return error instanceof Error && (error.constructor === Error || error instanceof RangeError);
}

/** A string, which protobufjs reads shorter than it says where the bytes end before it does. */
export function readText(reader: WireReader): string {
  const bytes = reader.bytes();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}

/** Those of a repeated scalar that its packed form and its single form have in common: where one ends and the next begins. */
export function readVarints(reader: WireReader, wireType: number, each: (reader: WireReader) => void): void {
  if (wireType === VARINT) {
    each(reader);
    return;
  }
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) {
    throw new RangeError("the packed field is longer than the message");
  }
  while (reader.pos < end) {
    each(reader);
  }
  if (reader.pos > end) {
    throw new RangeError("an element is longer than its packed field");
  }
}

/** An int64 as a number, which is not exact beyond 2^53. */
export function readInt64(reader: WireReader): number {
  // Up to four bytes nearly always: 28 bits.
  const { buf, pos } = reader;
  for (let index = pos; index < pos + 4; index += 1) {
    if ((buf[index] ?? 0) < 128) {
      return reader.uint32();
    }
  }
  const [low = 0, high = 0] = readHalves(reader, new Uint32Array(2), 0);
  return (high | 0) * 2 ** 32 + low;
}

/** A uint64 as a number, which is not exact beyond 2^53. */
export function readUint64(reader: WireReader): number {
  const [low = 0, high = 0] = readHalves(reader, new Uint32Array(2), 0);
  return high * 2 ** 32 + low;
}

/** A varint of 64 bits into two elements of `target`, the lower half first: as it lies in a tensor. */
export function readHalves(reader: WireReader, target: Uint32Array, at: number): Uint32Array {
  let low = 0;
  let high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    if (reader.pos >= reader.len) {
      break;
    }
    const byte = reader.buf[reader.pos] as number;
    const bits = byte & 127;
    reader.pos += 1;
    if (shift < 32) {
      low |= bits << shift;
    }
    if (shift > 21) {
      high |= shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32);
    }
    if (byte < 128) {
      target[at] = low;
      target[at + 1] = high;
      return target;
    }
  }
  throw new RangeError("the number does not end");
}
