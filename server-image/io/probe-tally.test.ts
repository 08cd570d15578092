// What a stretch of the calibration's requests tells: all of it for the costs, its steady part for the pace.

import { expect, test } from "vitest";

import { ProbeTally } from "./probe-tally.ts";

/** Plays answers at these times; the client takes a tenth of a CPU. */
function play(timesMs: readonly number[], { warmUpMs = 100, milliseconds = 1000 } = {}) {
  let nowMs = 0;
  const tally = new ProbeTally({ warmUpMs, milliseconds, clock: () => nowMs, cpuSeconds: () => nowMs / 10_000 });
  for (nowMs of timesMs) {
    tally.ended(true);
  }
  return tally.report();
}

/** Batches that end together, one after the other. */
function bursts(count: number, { size, everyMs }: { size: number; everyMs: number }): number[] {
  return Array.from({ length: count * size }, (_, index) => (Math.floor(index / size) + 1) * everyMs);
}

test("everything counts for the costs", () => {
  expect(play([1, 50, 500, 2000])).toMatchObject({ answered: 4, failed: 0, cpuSeconds: 0.2 });
});

test("answers that failed are counted as such", () => {
  const tally = new ProbeTally({ warmUpMs: 0, milliseconds: 10, clock: () => 1, cpuSeconds: () => 0 });
  tally.ended(false);
  tally.ended(true);
  expect(tally.report()).toMatchObject({ answered: 2, failed: 1 });
});

test("answers one by one: their rate", () => {
  const { steady } = play(Array.from({ length: 200 }, (_, index) => index * 10));
  expect(steady?.perSecond).toBeCloseTo(100, 6);
  expect(steady?.cpuShare).toBeCloseTo(0.1, 6);
});

test.each([37, 41, 43, 90])(
  "answers in batches every %s ms: their rate within 3 %%, however the time cuts them",
  (everyMs) => {
    const { steady } = play(bursts(60, { size: 64, everyMs }));
    const truth = 64_000 / everyMs;
    expect(Math.abs((steady?.perSecond ?? 0) - truth) / truth).toBeLessThan(0.03);
  },
);

test("a slow start does not count", () => {
  const { steady } = play([50, 90, ...Array.from({ length: 100 }, (_, index) => 100 + index * 10)]);
  expect(steady?.perSecond).toBeCloseTo(100, 6);
});

test.each([
  ["none", []],
  ["one", [500]],
  ["all at the same time", [500, 500, 500]],
  ["all too early", [10, 20, 30]],
])("too few answers for a pace: %s", (_name, times) => {
  expect(play(times).steady).toBeUndefined();
});

test("no more requests once the time is over", () => {
  let nowMs = 0;
  const tally = new ProbeTally({ warmUpMs: 100, milliseconds: 1000, clock: () => nowMs, cpuSeconds: () => 0 });
  nowMs = 1099;
  expect(tally.running).toBe(true);
  nowMs = 1100;
  expect(tally.running).toBe(false);
});
