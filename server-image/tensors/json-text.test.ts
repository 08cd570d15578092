// JSON bodies: exact integers, non-finite tokens, bounded depth, and clear refusals.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { InferenceError } from "../inference-error.ts";
import { MAX_DEPTH, MAX_LISTS, MAX_MEMBERS, MAX_OBJECTS, parseJson } from "./json-text.ts";

function parse(text: string, exactIntegers = false): unknown {
  return parseJson(Buffer.from(text), exactIntegers);
}

function nested(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

test("any JSON value parses as JSON.parse does", () => {
  const values = fc.jsonValue({ maxDepth: 20 });
  fc.assert(
    fc.property(values, fc.boolean(), (value, exact) => {
      const text = JSON.stringify(value);
      const withoutLongIntegers = exact && /\d{16}/.test(text) ? JSON.stringify("skipped") : text;
      expect(parse(withoutLongIntegers, exact)).toEqual(JSON.parse(withoutLongIntegers));
    }),
  );
});

test("with exact integers, any 64-bit integer keeps every digit", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
      const [parsed] = parse(`[${value}]`, true) as [number | bigint];
      expect(BigInt(parsed)).toBe(value);
    }),
  );
});

test("without exact integers nothing becomes a bigint", () => {
  expect(parse("[9007199254740993]")).toEqual([9007199254740992]);
});

test("with exact integers, long digits that are no integers, or in strings, are what they are without", () => {
  const text = String.raw`["1234567890123456789", "\"", 0.1234567890123456789, 1e-1234567890123456, {"-9007199254740993": 1}]`;
  expect(parse(text, true)).toEqual(JSON.parse(text));
});

test("with exact integers, integers are exact wherever they are", () => {
  const parsed = parse(
    '{"a": [[-9007199254740993, 1]], "__proto__": 9007199254740993,"b":9007199254740991}',
    true,
  ) as object;
  expect(Object.entries(parsed)).toEqual([
    ["a", [[-9007199254740993n, 1]]],
    ["__proto__", 9007199254740993n],
    ["b", 9007199254740991],
  ]);
});

test("with exact integers, a text that begins like a mark of this parser stays a text", () => {
  const text = JSON.stringify(["\0i", "\0ix", "\0i1.5", 12345678901234567890n.toString()]);
  expect(parse(text.replace('"12345678901234567890"', "12345678901234567890"), true)).toEqual([
    "\0i",
    "\0ix",
    "\0i1.5",
    12345678901234567890n,
  ]);
});

test("one long integer does not make millions of short ones slow", () => {
  const text = `[12345678901234567890${",1".repeat(4_000_000)}]`;
  expect(parse(text, true)).toHaveLength(4_000_001);
});

test("integers written with point or exponent stay numbers", () => {
  expect(parse("[1.0, 1e3, 1234567890123456e4]", true)).toEqual([1, 1000, 1234567890123456e4]);
});

describe("non-finite tokens", () => {
  test.each([
    ["NaN", "[NaN]", ["NaN"]],
    ["infinities", "[Infinity, -Infinity, 1]", ["Infinity", "-Infinity", 1]],
    ["inside strings they stay as they are", String.raw`["a NaN \" Infinity", NaN]`, ['a NaN " Infinity', "NaN"]],
    ["negative numbers beside them", "[-1, NaN, -2.5]", [-1, "NaN", -2.5]],
  ])("%s", (_name, text, expected) => {
    expect(parse(text)).toEqual(expected);
  });
});

describe("depth", () => {
  test(`${MAX_DEPTH} levels are read`, () => {
    expect(parse(nested(MAX_DEPTH))).toHaveLength(1);
  });

  test("many lists side by side are not deep", () => {
    expect(parse(`[${"[1],".repeat(5000)}[1]]`)).toHaveLength(5001);
  });

  test("brackets inside strings do not count", () => {
    expect(parse(`[${'"[[\\"[[",'.repeat(200)}1]`)).toHaveLength(201);
  });

  test.each([
    ["one level too many", nested(MAX_DEPTH + 1)],
    ["250,000 levels", nested(250_000)],
    ["never closed", "[".repeat(1_000_000)],
    ["objects", '{"a":'.repeat(5000)],
  ])("refused: %s", (_name, text) => {
    expect(() => parse(text, true)).toThrow(/nested deeper than 100 levels/);
  });
});

describe("lists, objects and fields", () => {
  const repeated = (item: string, count: number) => Array.from({ length: count }).fill(item).join(",");
  const lists = (count: number) => `[${repeated("[]", count - 1)}]`;
  const objects = (count: number) => `[${repeated("{}", count)}]`;
  const members = (count: number) => `{${Array.from({ length: count }, (_, index) => `"${index}":1`).join(",")}}`;

  test.each([
    ["lists", lists(MAX_LISTS)],
    ["objects", objects(MAX_OBJECTS)],
    ["fields", members(MAX_MEMBERS)],
    ["more in strings, which do not count", `["${"[{:".repeat(MAX_LISTS + 1)}"]`],
  ])("as many as allowed: %s", (_name, text) => {
    expect(parse(text)).toBeDefined();
  });

  test.each([
    ["lists", lists(MAX_LISTS + 1), /more than 1000000 lists; give "data" as one flat list/],
    ["objects", objects(MAX_OBJECTS + 1), /more than 10000 objects/],
    ["fields", members(MAX_MEMBERS + 1), /more than 100000 fields/],
  ])("one too many: %s", (_name, text, message) => {
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).toThrow(InferenceError);
  });
});

describe("refused", () => {
  test.each([
    ["an empty body", "", /not valid JSON/],
    ["cut off", '{"a": [1, 2', /not valid JSON/],
    ["a word", "nan", /not valid JSON/],
    ["an unclosed string", '["abc', /not valid JSON/],
    ["a minus sign alone", "[-]", /not valid JSON/],
    ["a token glued to a number", "[1NaN]", /not valid JSON/],
    ["a long integer with a zero before it", "[01234567890123456789]", /not valid JSON/],
    ["a long integer with two signs", "[--1234567890123456789]", /not valid JSON/],
    ["a long integer glued to a word", "[1234567890123456789a]", /not valid JSON/],
  ])("%s", (_name, text, message) => {
    for (const exact of [false, true]) {
      expect(() => parse(text, exact)).toThrow(message);
      expect(() => parse(text, exact)).toThrow(InferenceError);
    }
  });

  test("bytes that are no UTF-8", () => {
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), false)).toThrow(/not valid UTF-8/);
  });
});

test("a key called __proto__ is a key like any other", () => {
  const parsed = parse('{"__proto__": {"polluted": true}}') as object;
  expect(Object.keys(parsed)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});
