// Medians and percentiles by hand-made examples, and that they are always among or between the values.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { median, percentile } from "./statistics.ts";

describe("median", () => {
  test.each([
    ["one value", [7], 7],
    ["an odd number of values in any order", [9, 1, 5], 5],
    ["an even number of values: the mean of the two in the middle", [4, 1, 3, 10], 3.5],
    ["numbers are not sorted as text", [10, 9, 100], 10],
  ])("%s", (_name, values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test("no values is an error, not 0", () => {
    expect(() => median([])).toThrow("no values");
  });
});

describe("percentile", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  test.each([
    ["the 99th of 1 to 100 is 99", hundred, 99, 99],
    ["the 100th is the largest", hundred, 100, 100],
    ["of few values the 99th is the largest", [3, 1, 2], 99, 3],
    ["the 0th is the smallest", [3, 1, 2], 0, 1],
  ])("%s", (_name, values, percent, expected) => {
    expect(percentile(values, percent)).toBe(expected);
  });

  test("no values is an error, not 0", () => {
    expect(() => percentile([], 99)).toThrow("no values");
  });

  test("as many values as asked for do not exceed it", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (values, percent) => {
        const value = percentile(values, percent);
        const within = values.filter((other) => other <= value).length;
        expect(values).toContain(value);
        expect(within * 100).toBeGreaterThanOrEqual(percent * values.length);
      }),
    );
  });
});
