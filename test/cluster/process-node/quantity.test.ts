// Tests of Kubernetes quantities.

import { expect, test } from "vitest";
import { parseQuantity } from "./quantity.ts";

test.each([
  ["200m", 0.2],
  ["1", 1],
  ["1.5", 1.5],
  [".5", 0.5],
  ["512Mi", 512 * 1024 * 1024],
  ["1Gi", 2 ** 30],
  ["2k", 2000],
  ["1e3", 1000],
  ["1E", 1e18],
  ["-1", -1],
])("%s is %d", (text, value) => {
  expect(parseQuantity(text)).toBeCloseTo(value, 9);
});

test.each(["", "m", "1 core", "1KiB", "0x10"])("%j is no quantity", (text) => {
  expect(() => parseQuantity(text)).toThrow("is no quantity: use a number");
});
