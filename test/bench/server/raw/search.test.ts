// The search for the raw ceiling, on made-up models.

import { expect, test } from "vitest";
import { type RawConfiguration, searchCeiling, splits } from "./search.ts";

test.each([
  [1, ["1x1"]],
  [2, ["1x2", "2x1"]],
  [4, ["1x4", "2x2", "4x1"]],
])("splits of %i cores", (cores, expected) => {
  expect(splits(cores).map(({ workers, threads }) => `${workers}x${threads}`)).toEqual(expected);
});

const CASES: Record<string, { speed: (configuration: RawConfiguration) => number; best: string; tried: number }> = {
  "batching helps up to 8": { speed: ({ rows }) => Math.min(rows, 8) - rows / 100, best: "1x2 b8", tried: 10 },
  "batching only hurts": { speed: ({ rows }) => 1 / rows, best: "1x2 b1", tried: 6 },
  "one split is better": { speed: ({ workers, rows }) => workers * rows, best: "2x1 b16", tried: 10 },
  "one slow size in between does not end the search": {
    speed: ({ rows }) => (rows === 2 ? 0.1 : rows),
    best: "1x2 b16",
    tried: 10,
  },
};

test.each(Object.entries(CASES))("%s", async (_name, { speed, best, tried }) => {
  const trials = await searchCeiling(splits(2), [1, 2, 4, 8, 16], async (configuration) => speed(configuration));
  const [first] = trials;
  expect(`${first?.workers}x${first?.threads} b${first?.rows}`).toBe(best);
  expect(trials).toHaveLength(tried);
});
