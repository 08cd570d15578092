// Long lists of numbers in JSON: what they are read as is what JSON.parse and a rounding would have made of them.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { typedView } from "./datatypes.ts";
import { LONG_LIST, parseJson } from "./json-text.ts";
import { NumberLists } from "./number-lists.ts";

/** Enough to write the middle of two FP32 numbers near 1 in full. */
const ALL_DIGITS = 30;

/** Numbers in every spelling that JSON has for them. */
const anyNumberText = fc.oneof(
  { weight: 4, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }).map(String) },
  { weight: 4, arbitrary: fc.double({ min: -3e38, max: 3e38, noNaN: true }).map(String) },
  { weight: 2, arbitrary: fc.integer().map(String) },
  { weight: 2, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }).map((value) => value.toFixed(20)) },
  { weight: 1, arbitrary: fc.double({ min: -1e9, max: 1e9, noNaN: true }).map((value) => value.toExponential(17)) },
  { weight: 1, arbitrary: fc.constantFrom("-0", "0", "0.0", "1E5", "1e+05", "12e-0003", "1e-400", "0e999", "9e-45") },
  // The middle of two FP32 numbers and its neighbours, which only the last digit tells apart.
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "1.000000059604644775390625",
      "1.0000000596046448",
      "16777217",
      "33554434.999999999999999",
    ),
  },
);

function floatsOf(text: string, shape: number[]): Float32Array | undefined {
  const lists = new NumberLists(Buffer.from(text), false);
  const data = lists.readFloats(lists.value, shape, "x");
  return data === undefined ? undefined : typedView("FP32", data);
}

function long(texts: readonly string[]): string[] {
  const copies = Math.ceil(LONG_LIST / texts.join(",").length);
  return Array.from({ length: copies }, () => texts).flat();
}

function expected(texts: readonly string[]): Float32Array {
  return Float32Array.from(texts, (text) => Number(text));
}

describe("FP32", () => {
  const anyTexts = fc.array(anyNumberText, { minLength: 20, maxLength: 100 });
  const anySeparator = fc.constantFrom(",", ", ", " ,\n", "\t,\r\n ");

  test("any numbers in a flat list are what rounding their text gives", () => {
    fc.assert(
      fc.property(anyTexts, anySeparator, (some, separator) => {
        const texts = long(some);
        expect(floatsOf(`[${texts.join(separator)}]`, [texts.length])).toEqual(expected(texts));
      }),
      { numRuns: 500 },
    );
  });

  test("any bit pattern in any length of digits", () => {
    const anyFinite = fc.nat(0xff7fffff).map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0] ?? 0);
    const anyText = fc
      .tuple(anyFinite.filter(Number.isFinite), fc.integer({ min: 9, max: 40 }))
      .map(([value, digits]) => value.toPrecision(digits));
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 30, maxLength: 60 }), (texts) => {
        expect(floatsOf(`[${texts.join()}]`, [texts.length])).toEqual(expected(texts));
      }),
      { numRuns: 500 },
    );
  });

  test("the middle between neighbours goes to the even one, a trace beside it to the nearer one", () => {
    const anyPair = fc.nat(0x7f7ffffe).map((bits) => {
      const [low = 0, high = 0] = new Float32Array(Uint32Array.of(bits, bits + 1).buffer);
      return (low + high) / 2;
    });
    fc.assert(
      fc.property(fc.array(anyPair, { minLength: 1, maxLength: 20 }), (middles) => {
        const texts = long(
          middles.flatMap((value) => [value.toPrecision(ALL_DIGITS), value.toPrecision(17), String(value)]),
        );
        expect(floatsOf(`[${texts.join()}]`, [texts.length])).toEqual(expected(texts));
      }),
      { numRuns: 300 },
    );
  });

  test("nested as the shape says, or flat", () => {
    const row = expected(long(["1.5"]));
    const text = `[${[...row].join()}]`;
    const three = Float32Array.of(...row, ...row, ...row);
    expect(floatsOf(`[[${text}, ${text}, ${text}]]`, [1, 3, row.length])).toEqual(three);
    expect(floatsOf(`[${[...three].join()}]`, [1, 3, row.length])).toEqual(three);
  });
});

describe("left to others", () => {
  const list = long(["1"]);
  const text = `[${list.join()}]`;
  const size = list.length;
  const withItem = (item: string) => `[${[...list.slice(1), item].join()}]`;
  const items = [
    "",
    "NaN",
    "-Infinity",
    "null",
    "true",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "1.e5",
    "0x1",
    "1 2",
    "--1",
    "1e39",
    "-1e39",
    "1e400",
    "3.5e38",
    "1_0",
    "1f",
    "\v1",
    `1${"0".repeat(400)}`,
  ];

  test.each(items)("a list with %j", (item) => {
    expect(floatsOf(withItem(item), [size])).toBeUndefined();
  });

  test.each([
    ["too few", text, [size + 1]],
    ["too many", text, [size - 1]],
    ["a row short", `[${text},[${list.slice(1).join()}]]`, [2, size]],
    ["a row too many", `[${text},${text}]`, [1, size]],
    ["nested deeper", `[${text}]`, [size]],
    ["nested less", `[${text},${text}]`, [1, 2, size]],
    ["a number among the rows", `[${text},5]`, [2, size]],
    ["an object", `{"a":${text}}`, [size]],
    ["a short list", "[1,2]", [2]],
    ["a long list and a short one", `[${text},[1]]`, [2, size]],
    ["a comma at the end", `[${list.join()},]`, [size]],
    ["nothing in it", `[${" ".repeat(LONG_LIST)}]`, [0]],
    ["a shape for more than there can be", text, [2 ** 20, 2 ** 19]],
  ])("%s", (_name, body, shape) => {
    expect(floatsOf(body, shape)).toBeUndefined();
  });
});

describe("the rest of the body", () => {
  test("any value is what JSON.parse makes of it", () => {
    const anyList = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 0, maxLength: 80 });
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        anyList,
        fc.string(),
        fc.constant(null),
        fc.array(tie("value"), { maxLength: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, fc.dictionary(fc.string(), fc.string()), (data, other) => {
        const body = Buffer.from(JSON.stringify({ data, other }));
        const lists = new NumberLists(body, false);
        const plain = parseJson(body, false) as { data: unknown; other: unknown };
        const parsed = lists.value as { data: unknown; other: unknown };
        expect(lists.parsed(parsed.data)).toEqual(plain.data);
        expect(parsed.other).toEqual(plain.other);
      }),
      { numRuns: 500 },
    );
  });

  test("with exact integers they are exact in lists too", () => {
    const text = `[${long(["9007199254740993"]).join()}]`;
    const lists = new NumberLists(Buffer.from(text), true);
    expect((lists.parsed(lists.value) as bigint[])[0]).toBe(9007199254740993n);
  });

  test("text that looks like a list stays text", () => {
    const text = `[${long(["1"]).join()}]`;
    const { value } = new NumberLists(Buffer.from(JSON.stringify({ id: text, "[": [text] })), false);
    expect(value).toEqual({ id: text, "[": [text] });
  });

  test("a text that begins with NUL is no list that is not there", () => {
    const list = long(["1"]).map(Number);
    const marks = ["\x005", "\0-1", "\x000.5", "\0constructor"];
    const lists = new NumberLists(Buffer.from(JSON.stringify([list, marks])), false);
    expect(lists.parsed(lists.value)).toEqual([list, marks]);
  });

  test("lists that nobody asked for are checked", () => {
    const good = `[${long(["1"]).join()}]`;
    const bad = `[${long(["1"]).join()},,2]`;
    const lists = new NumberLists(Buffer.from(`{"data":${good},"other":${bad}}`), false);
    expect(lists.readFloats((lists.value as { data: unknown }).data, [long(["1"]).length], "x")).toBeDefined();
    expect(() => lists.checkRest()).toThrow(/not valid JSON/);
    expect(() => new NumberLists(Buffer.from(`{"data":${good}}`), false).checkRest()).not.toThrow();
  });

  test("a body that is not ASCII is read as well", () => {
    const list = long(["1.5"]).map(Number);
    const lists = new NumberLists(Buffer.from(JSON.stringify({ ä: list })), false);
    expect(lists.parsed(lists.value)).toEqual({ ä: list });
  });
});
