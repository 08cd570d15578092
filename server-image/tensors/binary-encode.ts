// Tensor data to the protocol's binary form: numbers as they lie, texts each after its length.

import { LENGTH_BYTES } from "./binary-decode.ts";
import type { Tensor } from "./datatypes.ts";

/** The binary form of a tensor's elements; numbers are not copied. */
export function encodeBinaryData({ data }: Pick<Tensor, "data">): Uint8Array {
  return data instanceof Uint8Array ? data : encodeTexts(data);
}

function encodeTexts(texts: readonly string[]): Buffer {
  const total = texts.reduce((sum, text) => sum + LENGTH_BYTES + Buffer.byteLength(text), 0);
  const out = Buffer.allocUnsafe(total);
  let offset = 0;
  for (const text of texts) {
    const length = out.write(text, offset + LENGTH_BYTES);
    offset = out.writeUInt32LE(length, offset) + length;
  }
  return out;
}
