// For tests: the bytes of ONNX models, written field by field, so that they can be large, odd or wrong.

import protobuf from "protobufjs/minimal.js";

const { Writer } = protobuf;

/** A field of a message: its number, and text, bytes, a number or a message. */
export type Field = readonly [number: number, value: string | number | Uint8Array | readonly Field[]];

export function encodeMessage(fields: readonly Field[]): Uint8Array {
  const writer = Writer.create();
  for (const [number, value] of fields) {
    if (typeof value === "number") {
      writer.uint32(number * 8).uint32(value);
    } else {
      writer.uint32(number * 8 + 2);
      const bytes =
        value instanceof Uint8Array ? value : typeof value === "string" ? Buffer.from(value) : encodeMessage(value);
      writer.bytes(bytes);
    }
  }
  return writer.finish();
}

/** TensorProto, with entries of external data. */
export function tensor(external: Readonly<Record<string, string>>): readonly Field[] {
  const entries = Object.entries(external).map(
    ([key, value]): Field => [
      13,
      [
        [1, key],
        [2, value],
      ],
    ],
  );
  return [[1, 4], [2, 1], [8, "weights"], ...entries, [14, 1]];
}

/** ModelProto around the fields of a graph. */
export function model(graph: readonly Field[]): Buffer {
  return Buffer.from(
    encodeMessage([
      [1, 8],
      [7, graph],
      [8, [[2, 17]]],
    ]),
  );
}

/** A model that carries `bytes` bytes of weights of its own. It passes every check of the storage; onnxruntime has its own. */
export function modelOfSize(bytes: number): Buffer {
  return model([
    [
      5,
      [
        [1, bytes],
        [2, 2],
        [8, "weights"],
        [9, Buffer.alloc(bytes, "model")],
      ],
    ],
  ]);
}

/** A model whose only tensor is in another file. */
export function modelWithExternalData(...locations: string[]): Buffer {
  return model(locations.map((location): Field => [5, tensor({ location })]));
}
