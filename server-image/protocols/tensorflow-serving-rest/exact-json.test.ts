// JSON read as RapidJSON reads it: the same values as JSON.parse, how numbers were written, and RapidJSON's own complaints.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { parseExactly, WholeDecimal } from "./exact-json.ts";

/** What JSON.parse would give. */
function simplify(value: unknown): unknown {
  if (value instanceof WholeDecimal) {
    return value.value;
  }
  if (Array.isArray(value)) {
    return value.map(simplify);
  }
  if (typeof value === "bigint") {
    return Number(value);
  }
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, simplify(item)]))
    : value;
}

test("any JSON: the values of JSON.parse", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(undefined, 1, "\t"), (json, indent) => {
      const text = JSON.stringify(JSON.parse(json), undefined, indent);
      expect(simplify(parseExactly(text))).toEqual(JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

test("any text of Unicode, escaped or not", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      fc.pre(text.isWellFormed());
      expect(parseExactly(JSON.stringify(text))).toBe(text);
      const escaped = [...Buffer.from(text, "utf16le").swap16().toString("hex").matchAll(/.{4}/g)];
      expect(parseExactly(`"${escaped.map(([digits]) => `\\u${digits}`).join("")}"`)).toBe(text);
    }),
  );
});

describe("how a number was written", () => {
  const cases: [string, unknown][] = [
    ["1", 1],
    ["-0", -0],
    ["1.0", new WholeDecimal(1)],
    ["-3.000", new WholeDecimal(-3)],
    ["1e3", new WholeDecimal(1000)],
    ["10E-1", new WholeDecimal(1)],
    ["1e-400", new WholeDecimal(0)],
    ["1.5", 1.5],
    ["9007199254740991", 9007199254740991],
    ["9007199254740993", 9007199254740993n],
    ["-9223372036854775808", -9223372036854775808n],
    ["100000000000000000000000", 100000000000000000000000n],
    ["NaN", Number.NaN],
    ["-NaN", Number.NaN],
    ["Inf", Number.POSITIVE_INFINITY],
    ["-Infinity", Number.NEGATIVE_INFINITY],
  ];
  test.each(cases)("%s", (text, expected) => {
    expect(parseExactly(text)).toEqual(expected);
  });
});

test("names of JavaScript's own are names like others", () => {
  const object = parseExactly('{"__proto__": 1, "constructor": {"toString": null}}') as Record<string, unknown>;
  expect(Object.keys(object)).toEqual(["__proto__", "constructor"]);
  expect(object["__proto__"]).toBe(1);
});

describe("the faults that RapidJSON 1.1.0 names (asked through python-rapidjson 1.25)", () => {
  const cases: [string, number, string][] = [
    [" ", 1, "The document is empty."],
    ["instances = [1]", 0, "Invalid value."],
    ["nulx", 3, "Invalid value."],
    ["tru", 3, "Invalid value."],
    ["[-]", 2, "Invalid value."],
    ["[--1]", 2, "Invalid value."],
    ["[1,]", 3, "Invalid value."],
    ["[Na]", 3, "Invalid value."],
    ["[-If]", 3, "Invalid value."],
    ["[NaN, -Inf, Infinitx]", 19, "Invalid value."],
    ['["é", x]', 7, "Invalid value."],
    ["{} x", 3, "The document root must not be followed by other values."],
    ["[1 2]", 3, "Missing a comma or ']' after an array element."],
    ["[01]", 2, "Missing a comma or ']' after an array element."],
    ["[NaN.5]", 4, "Missing a comma or ']' after an array element."],
    ['{"a":[1,2', 9, "Missing a comma or ']' after an array element."],
    ["{a:1}", 1, "Missing a name for object member."],
    ['{"a":1,}', 7, "Missing a name for object member."],
    ['{"a" 1}', 5, "Missing a colon after a name of object member."],
    ['{"a":1 "b"}', 7, "Missing a comma or '}' after an object member."],
    ["[1.]", 3, "Miss fraction part in number."],
    ["[1e]", 3, "Miss exponent in number."],
    ["[1e+]", 4, "Miss exponent in number."],
    ["[1e400]", 1, "Number too big to be stored in double."],
    ['["\\ud800"]', 2, "The surrogate pair in string is invalid."],
    ['["\\udc00"]', 2, "The surrogate pair in string is invalid."],
    ['["\\x"]', 2, "Invalid escape character in string."],
    ['["\\u12g4"]', 2, "Incorrect hex digit after \\u escape in string."],
    ['"abc', 4, "Missing a closing quotation mark in string."],
    ['["a\nb"]', 3, "Invalid encoding in string."],
  ];
  test.each(cases)("%s", (text, offset, message) => {
    expect(() => parseExactly(text)).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: `JSON Parse error: ${message} at offset: ${offset}`,
      }),
    );
  });
});
