// What is printed and written of figures.

import { describe, expect, test } from "vitest";
import { Figures } from "./figures.ts";
import { failureList, formatFigure, resultsJson, table } from "./report.ts";

test("the table shows targets first, and whether they are met", () => {
  const values = new Map([
    ["mlp_binary_per_second", 4321.6],
    ["reject_p99_ms", 25.123],
    ["resnet_ceiling_ratio", 0.97],
  ]);
  expect(table(values).split("\n")).toEqual([
    "figure                 value  target",
    "resnet_ceiling_ratio    0.97  at least 0.96  met",
    "reject_p99_ms          25.12  at most 20     MISSED",
    "mlp_binary_per_second   4322",
  ]);
});

test.each([
  [0.123456, "0.1235"],
  [12345.6, "12346"],
  [-3.5, "-3.5"],
  [0, "0"],
  [999.96, "1000"],
])("%d is shown as %s", (value, expected) => {
  expect(formatFigure(value)).toBe(expected);
});

describe("figures", () => {
  test("what was not measured is neither in the object nor a number", () => {
    const figures = new Figures();
    figures.record("a_ratio", 0.123456789);
    expect(() => figures.record("b_ratio", Number.NaN)).toThrow("b_ratio came out as NaN");
    figures.fail("b", new Error("the server ended"));
    expect(JSON.parse(resultsJson(figures.values))).toEqual({ a_ratio: 0.123457 });
    expect(failureList(figures.failures)).toBe("NOT MEASURED  b: the server ended");
  });
});
