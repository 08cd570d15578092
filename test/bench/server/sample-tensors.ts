// Inputs for a model from what it says of itself: seeded, so that the runtime alone, the server and its peers get the same.

import { seededRandom } from "../../demo/arrivals.ts";

/** An input or output as onnxruntime-node describes it; a dimension that may vary is a name or -1. */
export interface ModelValue {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

export interface SampleTensor {
  readonly name: string;
  /** onnxruntime-node's name of the type. */
  readonly type: ElementType;
  /** The inference protocol's name of the type. */
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: SampleData;
}

type SampleData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** Shapes of inputs, by name, where the model does not say them; the first dimension is the batch. */
export type GivenShapes = Readonly<Record<string, readonly number[]>>;

const ELEMENTS = {
  float32: {
    datatype: "FP32",
    make: (count: number, draw: () => number) => Float32Array.from({ length: count }, draw),
  },
  float64: {
    datatype: "FP64",
    make: (count: number, draw: () => number) => Float64Array.from({ length: count }, draw),
  },
  int32: {
    datatype: "INT32",
    make: (count: number, draw: () => number) => Int32Array.from({ length: count }, whole(draw)),
  },
  int64: {
    datatype: "INT64",
    make: (count: number, draw: () => number) => BigInt64Array.from({ length: count }, () => BigInt(whole(draw)())),
  },
  uint8: {
    datatype: "UINT8",
    make: (count: number, draw: () => number) => Uint8Array.from({ length: count }, whole(draw)),
  },
  bool: {
    datatype: "BOOL",
    make: (count: number, draw: () => number) => Uint8Array.from({ length: count }, whole(draw)),
  },
} as const;

type ElementType = keyof typeof ELEMENTS;

/** 0 or 1: small enough to be a valid index or token of most models. */
function whole(draw: () => number): () => number {
  return () => (draw() > 0 ? 1 : 0);
}

/** Whether requests of several rows can be made: the first dimension of every input may vary. */
export function hasBatchAxis(inputs: readonly ModelValue[]): boolean {
  return inputs.length > 0 && inputs.every(({ shape }) => shape.length > 0 && isVariable(shape[0]));
}

/**
 * Numbers between -1 and 1, or 0 and 1 for whole numbers.
 * Throws where a type cannot be made, or a dimension other than the first varies and no shape is given.
 */
export function sampleTensors(inputs: readonly ModelValue[], rows: number, given: GivenShapes = {}): SampleTensor[] {
  return inputs.map((input, position) => {
    const shape = sampleShape(input, rows, given[input.name]);
    const element = ELEMENTS[input.type as ElementType];
    if (element === undefined) {
      throw new Error(
        `input ${JSON.stringify(input.name)} has type ${input.type}; known: ${Object.keys(ELEMENTS).join(", ")}`,
      );
    }
    const random = seededRandom(position + 1);
    const count = shape.reduce((product, size) => product * size, 1);
    const data = element.make(count, () => 2 * random() - 1);
    return { name: input.name, type: input.type as ElementType, datatype: element.datatype, shape, data };
  });
}

function sampleShape({ name, shape }: ModelValue, rows: number, given: readonly number[] | undefined): number[] {
  const wanted = given ?? shape;
  return wanted.map((size, axis) => {
    if (axis === 0 && isVariable(shape[0])) {
      return rows;
    }
    if (typeof size !== "number" || size < 0) {
      throw new Error(
        `dimension ${axis} of input ${JSON.stringify(name)} varies: give the shapes of the inputs as JSON`,
      );
    }
    return size;
  });
}

function isVariable(size: number | string | undefined): boolean {
  return typeof size === "string" || size === -1;
}

/** The bytes of the elements, little-endian as every machine that Node runs on has them. */
export function bytesOf({ data }: SampleTensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
