// The memory budget by examples.

import { expect, test } from "vitest";
import { memoryBudget } from "./memory-budget.ts";

const mebibyte = 1024 ** 2;

test.each([
  ["one worker", { base: 60, session: 100, workers: 1 }, 250],
  ["each worker holds a copy of the model", { base: 60, session: 100, workers: 2 }, 440],
  ["a tiny model still has the overhead of its worker", { base: 60, session: 1, workers: 1 }, 151],
])("%s", (_name, { base, session, workers }, budget) => {
  const parts = { baseBytes: base * mebibyte, rawSessionBytes: session * mebibyte, workers };
  expect(memoryBudget(parts)).toBe(budget * mebibyte);
});
