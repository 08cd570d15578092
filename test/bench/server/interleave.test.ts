// The order of measurements, and the figures that come out of them.

import { expect, test } from "vitest";
import { interleave } from "./interleave.ts";

test("everyone is measured in every repeat, and each repeat begins with another", async () => {
  const order: string[] = [];
  const contestants = ["a", "b", "c"].map((name) => ({
    name,
    measure: async () => {
      order.push(name);
      return 1;
    },
  }));
  await interleave(contestants, 4);
  expect(order.join("")).toBe("abcbcacababc");
});

test("a ratio is that of the medians, so one disturbed repeat does not count", async () => {
  const figures: Record<string, number[]> = { ours: [30, 1, 33], theirs: [10, 11, 900] };
  const contestants = Object.entries(figures).map(([name, values]) => ({
    name,
    measure: async () => values.shift() ?? Number.NaN,
  }));
  const result = await interleave(contestants, 3);
  expect(result.ratio("ours", "theirs")).toBeCloseTo(30 / 11);
  expect(result.values("theirs")).toEqual([10, 11, 900]);
  expect(() => result.median("nobody")).toThrow("nobody was not measured");
});

test("a failure ends the contest with its reason", async () => {
  const failing = { name: "a", measure: () => Promise.reject(new Error("no answer")) };
  await expect(interleave([failing], 2)).rejects.toThrow("no answer");
});
