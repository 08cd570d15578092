// Tests of CTC decoding and of the dictionary's order.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCtc, parseDictionary } from "./ctc.ts";

const dictionary = parseDictionary("a\nb\nc");
const [_, a, b, space] = [0, 1, 2, 4];

describe("decodeCtc", () => {
  test.each([
    ["nothing but blanks is no text", [_, _, _], ""],
    ["equal neighbours are one character", [a, a, b, b, b], "ab"],
    ["a blank separates doubled characters", [a, _, a], "aa"],
    ["blanks at the ends and in between vanish", [_, a, _, _, b, _], "ab"],
    ["a space inside stays", [a, space, b], "a b"],
    ["spaces at the ends, which nobody can see, are dropped", [space, a, _, space], "a"],
  ])("%s", (_sentence, classes, text) => {
    expect(decodeCtc(classes, dictionary)).toBe(text);
  });

  test("a class outside the dictionary is an error that names it", () => {
    expect(() => decodeCtc([a, 5], dictionary)).toThrow("class 5 is not in the dictionary of 5 classes");
  });

  test("any text comes back, however long each character lasts and wherever blanks stand", () => {
    const column = fc.record({
      character: fc.integer({ min: 1, max: 3 }),
      length: fc.integer({ min: 1, max: 4 }),
      blanks: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(column), (columns) => {
        const classes = columns.flatMap(({ character, length, blanks }) => [
          ...Array<number>(length).fill(character),
          ...Array<number>(blanks).fill(0),
        ]);
        expect(decodeCtc(classes, dictionary)).toBe(columns.map(({ character }) => " abc"[character]).join(""));
      }),
    );
  });
});

test.each([
  ["with", "a\nb\n"],
  ["without", "a\nb"],
])("a dictionary %s a newline at its end: blank first, space last", (_sentence, file) => {
  expect(parseDictionary(file)).toEqual(["", "a", "b", " "]);
});
