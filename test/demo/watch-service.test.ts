// Tests of reading one number from Prometheus' answer: what is no number is unknown, never 0.

import { expect, test } from "vitest";
import { parseScalar } from "./watch-service.ts";

const rows = (...values: string[]) => ({ data: { result: values.map((value) => ({ value: [1, value] })) } });

test.each<[string, unknown, number | undefined]>([
  ["one row is its number", rows("2.5"), 2.5],
  ["zero is zero", rows("0"), 0],
  ["no row is unknown", rows(), undefined],
  ["two rows are unknown", rows("1", "2"), undefined],
  ["NaN is unknown", rows("NaN"), undefined],
  ["infinity is unknown", rows("+Inf"), undefined],
  ["an error is unknown", { status: "error", error: "timeout" }, undefined],
  ["no answer is unknown", undefined, undefined],
])("%s", (_sentence, answer, expected) => {
  expect(parseScalar(answer)).toBe(expected);
});
