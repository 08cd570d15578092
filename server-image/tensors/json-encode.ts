// Tensor data to JSON: a flat list, exact in every datatype, NaN and infinities as tokens.

import { InferenceError } from "../inference-error.ts";
import { type Datatype, type Tensor, typedView } from "./datatypes.ts";
import { FloatTextWriter, MAX_FLOAT_TEXT_BYTES } from "./float-text.ts";

const COMMA = 0x2c;
const OPEN = 0x5b;
const CLOSE = 0x5d;

/**
 * The list of a tensor's elements as JSON text. 64-bit integers are written in full; NaN, Infinity and -Infinity are
 * written as these tokens, which Python and most parsers read and strict JSON does not know: a null would lose them.
 * Throws `INVALID_ARGUMENT` for FP16, which the protocol gives no JSON form.
 */
export function encodeJsonData({ name, datatype, data }: Tensor): Buffer {
  return data instanceof Uint8Array ? encodeBytes(name, datatype, data) : Buffer.from(JSON.stringify(data));
}

function encodeBytes(name: string, datatype: Datatype, bytes: Uint8Array): Buffer {
  switch (datatype) {
    case "BYTES":
      throw new Error(`output ${JSON.stringify(name)} has bytes where texts belong`);
    case "FP16":
      throw new InferenceError(
        "INVALID_ARGUMENT",
        `output ${JSON.stringify(name)}: FP16 has no JSON form in the protocol; it needs the binary tensor extension`,
      );
    case "FP32":
      return encodeFloats(typedView(datatype, bytes));
    case "FP64":
      return Buffer.from(`[${Array.from(typedView(datatype, bytes), doubleText).join(",")}]`, "latin1");
    case "BOOL":
      return Buffer.from(`[${Array.from(bytes, Boolean).join(",")}]`, "latin1");
    default:
      return Buffer.from(`[${typedView(datatype, bytes).join(",")}]`, "latin1");
  }
}

function doubleText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function encodeFloats(data: Float32Array): Buffer {
  const out = Buffer.allocUnsafe(2 + data.length * (MAX_FLOAT_TEXT_BYTES + 1));
  const writer = new FloatTextWriter(data, out);
  writer.writeByte(OPEN);
  for (let index = 0; index < data.length; index += 1) {
    if (index > 0) {
      writer.writeByte(COMMA);
    }
    writer.writeElement(index);
  }
  writer.writeByte(CLOSE);
  return out.subarray(0, writer.at);
}
