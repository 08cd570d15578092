// What runs take by their rows: recent times count more, and sizes that were never seen are estimated from others.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { RunTimes } from "./run-times.ts";

function seen(...runs: [rows: number, seconds: number][]): RunTimes {
  const times = new RunTimes();
  for (const [rows, seconds] of runs) {
    times.observe(rows, seconds);
  }
  return times;
}

describe("estimates", () => {
  const CASES: Record<string, [RunTimes, rows: number, expected: number | undefined]> = {
    "nothing before the first run": [seen(), 1, undefined],
    "the time that was seen": [seen([1, 0.5]), 1, 0.5],
    "sizes up to the next power of two are one": [seen([5, 0.5]), 8, 0.5],
    "the next larger size stands for one never seen": [seen([1, 0.1], [8, 0.4]), 3, 0.4],
    "above the largest, in proportion to it": [seen([1, 0.1], [8, 0.4]), 32, 1.6],
    "a changed time after one run: a fifth of the way": [seen([1, 1], [1, 2]), 1, 1.2],
    "a request without rows counts as one": [seen([1, 0.5]), 0, 0.5],
  };
  test.each(Object.entries(CASES))("%s", (_name, [times, rows, expected]) => {
    const estimate = times.estimate(rows);
    expect(estimate === undefined ? undefined : Number(estimate.toFixed(9))).toBe(expected);
  });
});

test("a change is believed after a handful of runs, a single slow run hardly", () => {
  const slow = Array.from({ length: 15 }, (): [number, number] => [4, 1]);
  expect(seen([4, 0.1], ...slow).estimate(4)).toBeGreaterThan(0.95);
  expect(seen(...slow, [4, 10]).estimate(4)).toBeLessThan(3);
});

test("an estimate lies between the shortest and the longest run of that size, whatever was seen", () => {
  const rows = fc.integer({ min: 1, max: 65_536 });
  const times = fc.array(fc.double({ min: 1e-6, max: 100, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(rows, times, (size, seconds) => {
      const estimate = seen(...seconds.map((one): [number, number] => [size, one])).estimate(size) ?? Number.NaN;
      expect(estimate).toBeGreaterThanOrEqual(Math.min(...seconds) * (1 - 1e-9));
      expect(estimate).toBeLessThanOrEqual(Math.max(...seconds) * (1 + 1e-9));
    }),
  );
});

test("once something was seen there is an estimate for every size", () => {
  const rows = fc.integer({ min: 1, max: 65_536 });
  fc.assert(
    fc.property(rows, rows, (size, other) => {
      expect(seen([size, 0.01]).estimate(other)).toBeGreaterThan(0);
    }),
  );
});
