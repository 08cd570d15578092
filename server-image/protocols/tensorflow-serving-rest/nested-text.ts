// Tensors as nested lists of JSON, with TensorFlow Serving's spelling of numbers: whole floats end in ".0".

import { InferenceError } from "../../inference-error.ts";
import { type Datatype, type FixedSizeDatatype, type Tensor, typedView } from "../../tensors/datatypes.ts";
import { FloatTextWriter, MAX_FLOAT_TEXT_BYTES } from "../../tensors/float-text.ts";
import { tensorflowName } from "./tensor-values.ts";

const COMMA = 0x2c;
const POINT = 0x2e;
const EXPONENT = 0x65;

/** Of one element with the comma after it, and of the brackets and comma of one list. */
const ELEMENT_BYTES = MAX_FLOAT_TEXT_BYTES + 1;
const LIST_BYTES = 3;

/** Outputs of strings whose names end so are taken for bytes. */
const BYTES_SUFFIX = "_bytes";

/** Collects text. */
interface Sink {
  readonly write: (ascii: string) => void;
  /** Elements of the tensor with commas between them. */
  readonly elements: (from: number, count: number) => void;
  /** What was written since the last time. */
  readonly take: () => Buffer;
}

/** The whole tensor; a scalar without brackets. Throws `INVALID_ARGUMENT` for types that have no JSON here. */
export function encodeTensor(tensor: Tensor): Buffer {
  const sink = makeSink(tensor);
  writeNested(sink, tensor.shape, 0, 0);
  return sink.take();
}

/** One text for each item of the first dimension, of which there must be one. Throws as `encodeTensor` does. */
export function encodeRows(tensor: Tensor): Buffer[] {
  const [count = 0, ...inner] = tensor.shape;
  const size = inner.reduce((product, dimension) => product * dimension, 1);
  const sink = makeSink(tensor);
  return Array.from({ length: count }, (_, row) => {
    writeNested(sink, inner, 0, row * size);
    return sink.take();
  });
}

/** Throws `INVALID_ARGUMENT` for types that have no JSON here: asked before a run whose answer could not be written. */
export function checkEncodable(datatypes: readonly Datatype[]): void {
  const unknown = datatypes.find((datatype) => datatype === "FP16" || datatype === "UINT16");
  if (unknown !== undefined) {
    throw noJson(unknown);
  }
}

function doubleText(value: number): string {
  const text = Object.is(value, -0) ? "-0" : String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}

function noJson(datatype: Datatype): InferenceError {
  return new InferenceError(
    "INVALID_ARGUMENT",
    `Failed to write JSON value for tensor type: ${tensorflowName(datatype)}`,
  );
}

/** Returns the index of the first element behind. */
function writeNested(sink: Sink, shape: readonly number[], axis: number, from: number): number {
  if (axis === shape.length) {
    sink.elements(from, 1);
    return from + 1;
  }
  const size = shape[axis] ?? 0;
  sink.write("[");
  let next = from;
  if (axis === shape.length - 1) {
    sink.elements(from, size);
    next += size;
  } else {
    for (let index = 0; index < size; index += 1) {
      if (index > 0) {
        sink.write(",");
      }
      next = writeNested(sink, shape, axis + 1, next);
    }
  }
  sink.write("]");
  return next;
}

function makeSink({ name, datatype, shape, data }: Tensor): Sink {
  if (!(data instanceof Uint8Array)) {
    return name.endsWith(BYTES_SUFFIX)
      ? textSink((index) => JSON.stringify({ b64: Buffer.from(data[index] ?? "").toString("base64") }))
      : textSink((index) => JSON.stringify(data[index]));
  }
  switch (datatype) {
    case "BYTES":
      throw new Error(`output ${JSON.stringify(name)} has bytes where texts belong`);
    case "FP32":
      return new FloatSink(typedView(datatype, data), shape);
    case "FP64": {
      const numbers = typedView(datatype, data);
      return textSink((index) => doubleText(numbers[index] as number));
    }
    case "BOOL":
      return textSink((index) => String(data[index] !== 0));
    default:
      return integerSink(datatype, data);
  }
}

function integerSink(datatype: FixedSizeDatatype, data: Uint8Array): Sink {
  checkEncodable([datatype]);
  const numbers = typedView(datatype, data);
  return textSink((index) => String(numbers[index]));
}

function textSink(textOf: (index: number) => string): Sink {
  let written = "";
  return {
    write: (ascii) => {
      written += ascii;
    },
    elements: (from, count) => {
      written += Array.from({ length: count }, (_, index) => textOf(from + index)).join(",");
    },
    take: () => {
      const taken = Buffer.from(written);
      written = "";
      return taken;
    },
  };
}

/** FP32 is what nearly all models answer with, so it is written without a string for each number. */
class FloatSink implements Sink {
  readonly #data: Float32Array;
  readonly #out: Buffer;
  readonly #writer: FloatTextWriter;
  #taken = 0;

  constructor(data: Float32Array, shape: readonly number[]) {
    this.#data = data;
    this.#out = Buffer.allocUnsafeSlow(data.length * ELEMENT_BYTES + listsIn(shape) * LIST_BYTES);
    this.#writer = new FloatTextWriter(data, this.#out);
  }

  readonly write = (ascii: string): void => this.#writer.writeAscii(ascii);

  readonly elements = (from: number, count: number): void => {
    const writer = this.#writer;
    for (let index = from; index < from + count; index += 1) {
      if (index > from) {
        writer.writeByte(COMMA);
      }
      const start = writer.at;
      writer.writeElement(index);
      if (Number.isInteger(this.#data[index]) && !this.#isDecimal(start)) {
        writer.writeAscii(".0");
      }
    }
  };

  readonly take = (): Buffer => {
    const taken = this.#out.subarray(this.#taken, this.#writer.at);
    this.#taken = this.#writer.at;
    return taken;
  };

  /** Whether the text from `start` on has a point or an exponent. */
  #isDecimal(start: number): boolean {
    for (let index = start; index < this.#writer.at; index += 1) {
      const byte = this.#out[index];
      if (byte === POINT || byte === EXPONENT) {
        return true;
      }
    }
    return false;
  }
}

/** All lists of a tensor, at every level. */
function listsIn(shape: readonly number[]): number {
  let [lists, onLevel] = [0, 1];
  for (const size of shape) {
    lists += onLevel;
    onLevel *= size;
  }
  return lists;
}
