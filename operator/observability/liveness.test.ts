// What counts as hanging, and for how long a piece of work is timed.

import { expect, test } from "vitest";
import { findStuck, WorkTimer } from "./liveness.ts";

const work = (what: string, seconds: number) => ({ what, limitSeconds: 10, runningSeconds: () => seconds });

test.each([
  ["nothing that rests", [0, 0], undefined],
  ["nothing up to its limit", [10, 3], undefined],
  ["what is beyond its limit", [3, 10.1], "second has run for more than 10 s"],
  ["the first of several", [11, 12], "first has run for more than 10 s"],
])("%s is stuck", (_sentence, [first = 0, second = 0], stuck) => {
  expect(findStuck([work("first", first), work("second", second)])).toBe(stuck);
});

test("work is timed while it runs, and rests when it has ended, however that was", async () => {
  let nowMs = 1_000;
  const timer = new WorkTimer(() => nowMs);
  expect(timer.runningSeconds).toBe(0);
  const failing = timer.time(async () => {
    nowMs += 2_500;
    expect(timer.runningSeconds).toBe(2.5);
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(timer.runningSeconds).toBe(0);
  expect(await timer.time(async () => void (nowMs += 500))).toBe(0.5);
});
