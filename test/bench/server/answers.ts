// Reads a server's answer and compares it with the runtime's own, so that nobody measures how fast errors are.

/** Of one output: its values as numbers. */
export type OutputValues = Readonly<Record<string, readonly number[]>>;

interface AnsweredTensor {
  readonly name: string;
  readonly datatype: string;
  readonly data?: readonly unknown[];
  readonly parameters?: { readonly binary_data_size?: number };
}

const READERS: Readonly<
  Record<string, { readonly bytes: number; readonly read: (from: Buffer, at: number) => number }>
> = {
  FP32: { bytes: 4, read: (from, at) => from.readFloatLE(at) },
  FP64: { bytes: 8, read: (from, at) => from.readDoubleLE(at) },
  INT32: { bytes: 4, read: (from, at) => from.readInt32LE(at) },
  INT64: { bytes: 8, read: (from, at) => Number(from.readBigInt64LE(at)) },
  UINT8: { bytes: 1, read: (from, at) => from.readUInt8(at) },
  BOOL: { bytes: 1, read: (from, at) => from.readUInt8(at) },
};

/**
 * The outputs of an answer of the Open Inference Protocol.
 * @param headerLength what the header Inference-Header-Content-Length says; undefined: all is JSON
 */
export function readOutputs(body: Buffer, headerLength: number | undefined): OutputValues {
  const json = JSON.parse(body.subarray(0, headerLength).toString()) as { readonly outputs: readonly AnsweredTensor[] };
  let offset = headerLength ?? body.length;
  return Object.fromEntries(
    json.outputs.map(({ name, datatype, data, parameters }) => {
      const size = parameters?.binary_data_size;
      if (size === undefined) {
        return [name, (data ?? []).flat(Number.POSITIVE_INFINITY).map(Number)];
      }
      const bytes = body.subarray(offset, offset + size);
      offset += size;
      return [name, readElements(datatype, bytes)];
    }),
  );
}

function readElements(datatype: string, bytes: Buffer): number[] {
  const reader = READERS[datatype];
  if (reader === undefined) {
    throw new Error(`an output has datatype ${datatype}; known: ${Object.keys(READERS).join(", ")}`);
  }
  return Array.from({ length: bytes.length / reader.bytes }, (_, index) => reader.read(bytes, index * reader.bytes));
}

/** Batches and threads change the order of sums, and with it the last digits. */
const RELATIVE_TOLERANCE = 1e-3;
const ABSOLUTE_TOLERANCE = 1e-5;

/** In words what differs; undefined where the answer is right. */
export function difference(answer: OutputValues, expected: OutputValues): string | undefined {
  for (const [name, values] of Object.entries(expected)) {
    const seen = answer[name];
    if (seen?.length !== values.length) {
      return `output ${JSON.stringify(name)} has ${seen?.length ?? "no"} values in place of ${values.length}`;
    }
    const wrong = values.findIndex((value, index) => !isClose(seen[index] ?? Number.NaN, value));
    if (wrong >= 0) {
      return `output ${JSON.stringify(name)} has ${seen[wrong]} at ${wrong} in place of ${values[wrong]}`;
    }
  }
  return undefined;
}

function isClose(value: number, expected: number): boolean {
  return Math.abs(value - expected) <= ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * Math.abs(expected);
}
