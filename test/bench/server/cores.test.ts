// Which cores are taken of those that the kernel allows.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { allowedList, firstTwoCores } from "./cores.ts";

test.each([
  ["both of two", "0-1", [0, 1]],
  ["the first two of many", "0-63", [0, 1]],
  ["a range that starts elsewhere", "12-15", [12, 13]],
  ["single cores", "3,7,9", [3, 7]],
  ["a single core and a range", "2,6-7\n", [2, 6]],
])("%s", (_name, list, expected) => {
  expect(firstTwoCores(list)).toEqual(expected);
});

test.each([["0"], [""], ["abc-def"]])("%j: too few are an error", (list) => {
  expect(() => firstTwoCores(list)).toThrow("two cores are needed");
});

test("this machine's own list can be read", () => {
  expect(allowedList(readFileSync("/proc/self/status", "utf8"))).toMatch(/^[\d,-]+$/);
});
