// Joining requests into one run and taking its outputs apart: each request gets back exactly its own rows.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { bytesOf, DATATYPES, type Datatype, elementBytes, type Tensor, type TensorData } from "../tensors/datatypes.ts";
import { type BatchPart, inputBytes, joinInputs, joinKey, outputNamesOf, rowsOf, splitOutputs } from "./batch.ts";
import type { InferenceRequest } from "./served-model.ts";
import { bytesIn } from "./test-runner.ts";

const plainMemory = { take: (bytes: number) => new ArrayBuffer(bytes) };

function floats(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return { name, datatype: "FP32", shape, data: bytesOf(Float32Array.from(values)) };
}

function asking(inputs: readonly Tensor[], outputNames: readonly string[] = ["y"]): InferenceRequest {
  return { inputs, outputNames };
}

function part(request: InferenceRequest): BatchPart {
  return { request, rows: rowsOf(request) ?? 1 };
}

/** What a model gives that only renames its inputs. */
function renamed(inputs: readonly Tensor[]): Tensor[] {
  return inputs.map((tensor) => ({ ...tensor, name: `${tensor.name} out` }));
}

describe("rows of a request", () => {
  const CASES: Record<string, [readonly Tensor[], number | undefined]> = {
    "the first dimension": [[floats("a", [2, 1], [1, 2])], 2],
    "where all inputs agree on it": [[floats("a", [2], [1, 2]), floats("b", [2, 1], [1, 2])], 2],
    "none where they differ": [[floats("a", [2], [1, 2]), floats("b", [1], [1])], undefined],
    "none for a scalar": [[floats("a", [], [1])], undefined],
    "none where one of several is a scalar": [[floats("a", [1], [1]), floats("b", [], [1])], undefined],
    "none for an empty input": [[floats("a", [0, 3], [])], undefined],
    "none where the rows are empty, as many as they may be": [[floats("a", [2 ** 40, 0], [])], undefined],
    "none where one of several is empty": [[floats("a", [1], [1]), floats("b", [1, 0], [])], undefined],
    "none without inputs": [[], undefined],
  };
  test.each(Object.entries(CASES))("%s", (_name, [inputs, expected]) => {
    expect(rowsOf(asking(inputs))).toBe(expected);
  });
});

describe("join keys", () => {
  const key = (...inputs: Tensor[]) => joinKey(asking(inputs));

  test("differ by inner dimensions, not by rows", () => {
    expect(key(floats("a", [1, 2], [1, 2]))).toBe(key(floats("a", [2, 2], [1, 2, 3, 4])));
    expect(key(floats("a", [1, 2], [1, 2]))).not.toBe(key(floats("a", [1, 1], [1])));
    expect(key(floats("a", [1, 12], []))).not.toBe(key(floats("a", [1, 1, 2], [])));
  });

  test("names that look like dimensions do not confuse them", () => {
    const one = key(floats("a", [1, 1, 2], []), floats("a,1", [1, 3], []));
    const other = key(floats("a,1", [1, 2], []), floats("a", [1, 1, 3], []));
    expect(one).not.toBe(other);
  });
});

describe("outputs to compute", () => {
  const names = (...asked: string[][]) => outputNamesOf(asked.map((outputNames) => part({ inputs: [], outputNames })));

  test.each([
    ["those of the only request", [["b", "a"]], ["b", "a"]],
    ["the union, each once", [["a"], ["b", "a"], ["a", "c"]], ["a", "b", "c"]],
    ["none of none", [], []],
  ])("%s", (_name, asked, expected) => {
    expect(names(...asked)).toEqual(expected);
  });
});

test("inputs listed in another order are joined by name", () => {
  const one = asking([floats("a", [1], [1]), floats("b", [1], [10])]);
  const other = asking([floats("b", [1], [20]), floats("a", [1], [2])]);
  const joined = joinInputs([one, other].map(part), plainMemory);
  expect(joined).toEqual([floats("a", [2], [1, 2]), floats("b", [2], [10, 20])]);
});

test("a single request keeps its shape, a scalar's too", () => {
  expect(joinInputs([part(asking([floats("a", [], [3])]))], plainMemory)).toEqual([floats("a", [], [3])]);
});

test("the memory is the pool's own, larger than needed or not", () => {
  const large = { take: () => new ArrayBuffer(1000) };
  const [joined] = joinInputs([part(asking([floats("a", [2], [1, 2])]))], large);
  expect(bytesIn(joined).buffer.byteLength).toBe(1000);
  expect(joined).toEqual(floats("a", [2], [1, 2]));
});

describe("what cannot be", () => {
  const one = part(asking([floats("a", [1], [1])]));

  test("an empty batch", () => {
    expect(() => joinInputs([], plainMemory)).toThrow("at least one request");
  });

  test("a request that lacks an input", () => {
    expect(() => joinInputs([one, part(asking([floats("b", [1], [1])]))], plainMemory)).toThrow('without input "a"');
  });

  test.each([
    ["too few rows", [1], [1], 'output "y" has 1 rows for 2 rows of inputs'],
    ["no rows at all", [], [1], 'output "y" has no rows for 2 rows of inputs'],
  ])("outputs with %s", (_name, shape, values, message) => {
    expect(() => splitOutputs([one, one], [floats("y", shape, values)])).toThrow(message);
  });

  test("an output that is missing", () => {
    expect(() => splitOutputs([one], [floats("z", [1], [1])])).toThrow('no output "y"');
  });
});

test("a single request gets outputs whose first dimension is not its rows", () => {
  const outputs = [floats("y", [7], [1, 2, 3, 4, 5, 6, 7])];
  expect(splitOutputs([part(asking([floats("a", [1], [1])]))], outputs)).toEqual([outputs]);
});

test("bytes of inputs: memory of numbers, two bytes per character of texts", () => {
  const texts: Tensor = { name: "t", datatype: "BYTES", shape: [2], data: ["abc", ""] };
  expect(inputBytes(asking([floats("a", [2], [1, 2]), texts]))).toBe(8 + 6);
});

describe("round trip", () => {
  /** Bytes at any alignment, in memory of something else, as a request's body has them. */
  function unaligned(bytes: Uint8Array, offset: number): Uint8Array {
    const body = new Uint8Array(offset + bytes.length + 3).fill(0xee);
    body.set(bytes, offset);
    return body.subarray(offset, offset + bytes.length);
  }

  function dataOf(datatype: Datatype, count: number): fc.Arbitrary<TensorData> {
    if (datatype === "BYTES") {
      return fc.array(fc.string({ unit: "grapheme", maxLength: 4 }), { minLength: count, maxLength: count });
    }
    const length = count * elementBytes(datatype);
    return fc
      .tuple(fc.uint8Array({ minLength: length, maxLength: length }), fc.integer({ min: 0, max: 9 }))
      .map(([bytes, offset]) => unaligned(bytes, offset));
  }

  const layout = fc.record({
    inputs: fc.uniqueArray(
      fc.record({
        name: fc.string({ maxLength: 3 }),
        datatype: fc.constantFrom(...DATATYPES),
        inner: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
      }),
      { selector: ({ name }) => name, minLength: 1, maxLength: 3 },
    ),
    rows: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
  });

  const requests = layout.chain(({ inputs, rows }) =>
    fc.tuple(
      ...rows.map((own) =>
        fc
          .tuple(
            ...inputs.map(({ name, datatype, inner }) => {
              const shape = [own, ...inner];
              const count = shape.reduce((product, size) => product * size, 1);
              return dataOf(datatype, count).map((data): Tensor => ({ name, datatype, shape, data }));
            }),
          )
          // Any order, and any of the outputs.
          .chain((tensors) =>
            fc.record({
              inputs: fc.shuffledSubarray(tensors, { minLength: tensors.length, maxLength: tensors.length }),
              outputNames: fc.shuffledSubarray(
                tensors.map(({ name }) => `${name} out`),
                { minLength: 1 },
              ),
            }),
          ),
      ),
    ),
  );

  test("what goes in as rows comes out as the same rows, for every datatype", () => {
    fc.assert(
      fc.property(requests, (all) => {
        const parts = all.map(part);
        const before = structuredClone(all);
        const joined = joinInputs(parts, plainMemory);
        const names = outputNamesOf(parts);
        const outputs = renamed(joined).filter(({ name }) => names.includes(name));
        const split = splitOutputs(parts, outputs);
        expect(split).toHaveLength(all.length);
        for (const [index, { inputs, outputNames }] of all.entries()) {
          const expected = outputNames.map((wanted) => renamed(inputs).find(({ name }) => name === wanted));
          expect(split[index]?.map(plain)).toEqual(expected.map((tensor) => plain(tensor as Tensor)));
        }
        // Neither the requests nor their bodies have changed.
        expect(all.map(({ inputs }) => inputs.map(plain))).toEqual(before.map(({ inputs }) => inputs.map(plain)));
      }),
      { numRuns: 300 },
    );
  });

  function plain({ data, ...rest }: Tensor) {
    return { ...rest, data: data instanceof Uint8Array ? [...data] : data };
  }
});
