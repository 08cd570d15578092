// JSON data of tensors both ways: what is encoded decodes to the same bits, and what does not fit is refused by name.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { bytesOf, type Datatype, type FixedSizeDatatype, type TypedData, typedView } from "./datatypes.ts";
import { decodeJsonData } from "./json-decode.ts";
import { encodeJsonData } from "./json-encode.ts";
import { parseJson } from "./json-text.ts";

type Elements = TypedData | string[];

function roundTrip(datatype: Datatype, elements: Elements): Elements {
  return decode(datatype, [elements.length], parseJson(encode(datatype, elements), true));
}

function encode(datatype: Datatype, elements: Elements): Buffer {
  const data = Array.isArray(elements) ? elements : bytesOf(elements);
  return encodeJsonData({ name: "y", datatype, shape: [elements.length], data });
}

function decode(datatype: Datatype, shape: readonly number[], value: unknown): Elements {
  const data = decodeJsonData(datatype, shape, value, "x");
  return data instanceof Uint8Array ? typedView(datatype as FixedSizeDatatype, data) : [...data];
}

const text = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0") && value.isWellFormed());

const ANY_DATA: Record<Exclude<Datatype, "FP16">, fc.Arbitrary<Elements>> = {
  BOOL: fc.uint8Array({ max: 1 }).map(owned),
  UINT8: fc.uint8Array().map(owned),
  UINT16: fc.uint16Array().map(owned),
  UINT32: fc.uint32Array().map(owned),
  UINT64: fc.bigUint64Array().map(owned),
  INT8: fc.int8Array().map(owned),
  INT16: fc.int16Array().map(owned),
  INT32: fc.int32Array().map(owned),
  INT64: fc.bigInt64Array().map(owned),
  FP32: fc.float32Array().map(owned),
  FP64: fc.float64Array().map(owned),
  BYTES: fc.array(text),
};

function owned<T>(data: T): T & Elements {
  return data as T & Elements;
}

describe("round trip of any data", () => {
  test.each(Object.entries(ANY_DATA))("%s", (datatype, anyData) => {
    fc.assert(
      fc.property(anyData, (data) => {
        // toEqual tells 0 from -0 and takes NaN for equal to itself.
        expect(roundTrip(datatype as Datatype, data)).toEqual(data);
      }),
      { numRuns: 300 },
    );
  });
});

test("the extremes of 64-bit integers", () => {
  const int64 = BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 0n, -1n);
  expect(roundTrip("INT64", int64)).toEqual(int64);
  const uint64 = BigUint64Array.of(2n ** 64n - 1n, 2n ** 53n + 1n, 0n);
  expect(roundTrip("UINT64", uint64)).toEqual(uint64);
});

describe("nested data is the same as flat data", () => {
  const anyShape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

  test("any shape", () => {
    fc.assert(
      fc.property(anyShape, (shape) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const flat = Array.from({ length: count }, (_, index) => index);
        expect(decode("INT32", shape, nest(flat, shape))).toEqual(Int32Array.from(flat));
      }),
    );
  });

  test.each([
    ["a scalar alone", [], 7, [7]],
    ["a scalar in a list", [], [7], [7]],
    ["nothing", [0], [], []],
    ["no rows", [0, 3], [], []],
    ["empty rows", [2, 0], [[], []], []],
    ["empty rows, flat", [2, 0], [], []],
  ])("%s", (_name, shape, data, expected) => {
    expect(decode("FP32", shape, data)).toEqual(Float32Array.from(expected));
  });
});

function nest(flat: readonly number[], [, ...inner]: readonly number[]): unknown[] {
  if (inner.length === 0) {
    return [...flat];
  }
  const size = inner.reduce((product, length) => product * length, 1);
  return Array.from({ length: flat.length / size }, (_, index) =>
    nest(flat.slice(index * size, (index + 1) * size), inner),
  );
}

type Refusal = [name: string, datatype: Datatype, shape: number[], data: unknown, message: RegExp];

describe("refused by name", () => {
  const cases: Refusal[] = [
    ["too few elements", "FP32", [3], [1, 2], /x: "data" has 2 elements, but shape \[3\] has 3/],
    ["too many elements", "FP32", [1, 2], [1, 2, 3], /x: "data" has 3 elements, but shape \[1, 2\] has 2/],
    ["no list", "FP32", [3], "abc", /x: "data" must be a list/],
    ["an object", "FP32", [1], { length: 1, 0: 1 }, /x: "data" must be a list/],
    ["a ragged list", "FP32", [2, 2], [[1, 2], [3]], /nested otherwise than its shape says: a list of 1 where 2/],
    ["too few rows", "FP32", [2, 2], [[1, 2]], /nested otherwise than its shape says: a list of 1 where 2/],
    ["lists and values mixed", "FP32", [2, 2], [[1, 2], 3], /x: "data" mixes lists and values/],
    ["deeper than the shape", "FP32", [2], [[1], [2]], /element 0 of "data" is \[1\]; FP32 takes numbers/],
    ["text for a number", "FP32", [2], [1, "2"], /element 1 of "data" is "2"; FP32 takes numbers/],
    ["null for a number", "FP64", [1], [null], /element 0 of "data" is null; FP64 takes numbers/],
    [
      "a number that FP32 cannot hold",
      "FP32",
      [1],
      [1e39],
      /element 0 of "data" is 1e\+39; FP32 takes numbers that it can/,
    ],
    ["a number that a double cannot hold", "FP64", [1], [JSON.parse("1e999")], /FP64 takes numbers that it can hold/],
    ["a fraction for an integer", "INT32", [1], [1.5], /element 0 of "data" is 1.5; INT32 takes integers from -2\^31/],
    ["beyond INT8", "INT8", [1], [128], /is 128; INT8 takes integers from -2\^7 to 2\^7 - 1/],
    ["below UINT16", "UINT16", [1], [-1], /is -1; UINT16 takes integers from 0 to 2\^16 - 1/],
    ["beyond INT64", "INT64", [1], [2n ** 63n], /is 9223372036854775808; INT64 takes integers from -2\^63/],
    ["below UINT64", "UINT64", [1], [-1], /is -1; UINT64 takes integers from 0 to 2\^64 - 1/],
    ["a rounded number for INT64", "INT64", [1], [2 ** 60], /without point or exponent beyond 2\^53/],
    ["true for an integer", "UINT8", [1], [true], /is true; UINT8 takes integers/],
    ["1 for a boolean", "BOOL", [1], [1], /is 1; BOOL takes true and false/],
    ["a number for a text", "BYTES", [1], [5], /is 5; BYTES takes strings/],
    ["a text with NUL", "BYTES", [1], ["a\0b"], /BYTES takes strings of valid Unicode without NUL/],
    ["half a character", "BYTES", [1], ["\ud800"], /BYTES takes strings of valid Unicode without NUL/],
    ["half precision", "FP16", [1], [1], /x: FP16 has no JSON form/],
    ["a shape that asks for memory", "FP32", [2 ** 30, 2 ** 30], [1], /x: shape .* has too many elements/],
  ];
  test.each(cases)("%s", (...[, datatype, shape, data, message]) => {
    expect(() => decodeJsonData(datatype, shape, data, "x")).toThrow(message);
  });
});

describe("encoded", () => {
  const cases: [string, Datatype, Elements, string][] = [
    [
      "non-finite numbers as tokens",
      "FP32",
      Float32Array.of(Number.NaN, Infinity, -Infinity),
      "[NaN,Infinity,-Infinity]",
    ],
    ["non-finite doubles too", "FP64", Float64Array.of(Number.NaN, -Infinity, -0, 0.1), "[NaN,-Infinity,-0,0.1]"],
    ["booleans", "BOOL", Uint8Array.of(1, 0), "[true,false]"],
    ["texts", "BYTES", ['a"b', "ä"], '["a\\"b","ä"]'],
    ["integers beyond 2^53", "INT64", BigInt64Array.of(9007199254740993n), "[9007199254740993]"],
    ["nothing", "FP32", new Float32Array(0), "[]"],
  ];
  test.each(cases)("%s", (_name, datatype, elements, expected) => {
    expect(encode(datatype, elements).toString()).toBe(expected);
  });

  test("half precision is refused", () => {
    expect(() => encode("FP16", Uint16Array.of(0))).toThrow(/output "y": FP16 has no JSON form/);
  });

  test("a view into larger memory gives its own part only", () => {
    expect(encode("FP32", new Float32Array(Float32Array.of(1, 2, 3, 4).buffer, 4, 2)).toString()).toBe("[2,3]");
  });

  test("bytes at an odd place, as a body has them", () => {
    const data = new Uint8Array(9);
    data.set(bytesOf(Float32Array.of(1.5, -2)), 1);
    const tensor = { name: "y", datatype: "FP32", shape: [2], data: data.subarray(1) } as const;
    expect(encodeJsonData(tensor).toString()).toBe("[1.5,-2]");
  });
});
