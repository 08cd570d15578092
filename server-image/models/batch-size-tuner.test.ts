// Batch sizes learnt from live runs: found where they are better, never beyond the limits, and tried rarely.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { BatchSizeTuner, type BatchSizeTunerOptions } from "./batch-size-tuner.ts";

const OPTIONS: BatchSizeTunerOptions = { initial: 8, limit: 64, maxRunMs: 100 };

/** Seconds of a run by its rows. */
type Model = (rows: number) => number;

/** A fixed cost for each run and next to nothing for each row: the more rows, the better. */
const largerIsBetter: Model = (rows) => 0.01 + rows * 1e-5;
/** Each row costs more, the more there are: one at a time is best. */
const smallerIsBetter: Model = (rows) => 0.001 * rows ** 1.5;
const noDifference: Model = (rows) => 0.001 * rows;

/** So many runs with always enough requests waiting; gives the rows of each. */
function run(tuner: BatchSizeTuner, model: Model, runs: number): number[] {
  return Array.from({ length: runs }, () => {
    const { maxRows: rows, atBacklog } = tuner.choose(1_000_000);
    tuner.observe({ rows, seconds: model(rows), atBacklog });
    return rows;
  });
}

function tunerAfter(model: Model, runs: number, options: Partial<BatchSizeTunerOptions> = {}): BatchSizeTuner {
  const tuner = new BatchSizeTuner({ ...OPTIONS, ...options });
  run(tuner, model, runs);
  return tuner;
}

describe("the size after many runs", () => {
  test.each([
    ["the largest allowed where larger is better", largerIsBetter, {}, 64],
    ["1 where joining is worse", smallerIsBetter, {}, 1],
    ["as it was where nothing is better", noDifference, {}, 8],
    ["no larger than the longest run allows", largerIsBetter, { maxRunMs: 10.2 }, 16],
    ["not beyond a limit that is no multiple", largerIsBetter, { limit: 20 }, 16],
  ])("%s", (_name, model, options, expected) => {
    expect(tunerAfter(model, 10_000, options).size).toBe(expected);
  });
});

test("trials become rare where they bring nothing", () => {
  const tuner = new BatchSizeTuner(OPTIONS);
  const early = run(tuner, noDifference, 1000).filter((rows) => rows !== 8).length;
  run(tuner, noDifference, 100_000);
  const late = run(tuner, noDifference, 10_000).filter((rows) => rows !== 8).length;
  expect(early).toBeGreaterThan(5);
  expect(late).toBeLessThan(5);
});

test("noise of a third does not talk it into smaller batches", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.67, max: 1.33, noNaN: true }), { minLength: 50, maxLength: 500 }),
      (noise) => {
        const tuner = new BatchSizeTuner({ ...OPTIONS, initial: 64 });
        let runs = 0;
        run(tuner, (rows) => largerIsBetter(rows) * (noise[runs++ % noise.length] ?? 1), 3000);
        expect(tuner.size).toBeGreaterThanOrEqual(32);
      },
    ),
    { numRuns: 50 },
  );
});

test("a size far too small is left behind within 500 runs while several batches wait", () => {
  expect(tunerAfter(largerIsBetter, 500, { initial: 4 }).size).toBe(64);
});

test("runs without a backlog do not decide it, however fast they are", () => {
  const tuner = new BatchSizeTuner(OPTIONS);
  for (let index = 0; index < 100; index += 1) {
    tuner.observe({ rows: 8, seconds: 1, atBacklog: true });
    tuner.observe({ rows: 4, seconds: 0.001, atBacklog: false });
  }
  expect(tuner.size).toBe(8);
});

test("nothing is tried while too few requests wait for it", () => {
  const tuner = new BatchSizeTuner(OPTIONS);
  const choices = Array.from({ length: 1000 }, () => tuner.choose(15));
  expect(choices.filter(({ maxRows, atBacklog }) => maxRows !== 8 || atBacklog)).toEqual([]);
});

test("a few slow runs do not decide it", () => {
  const tuner = new BatchSizeTuner(OPTIONS);
  tuner.observe({ rows: 8, seconds: 10, atBacklog: true });
  tuner.observe({ rows: 16, seconds: 0.001, atBacklog: true });
  expect(tuner.size).toBe(8);
});

test("within its limits whatever runs take", () => {
  const options = fc.record({
    initial: fc.integer({ min: 1, max: 64 }),
    limit: fc.integer({ min: 64, max: 256 }),
    maxRunMs: fc.integer({ min: 1, max: 1000 }),
  });
  const seconds = fc.array(fc.double({ min: 1e-6, max: 2, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(options, seconds, fc.nat({ max: 500 }), (limits, times, waitingRows) => {
      const tuner = new BatchSizeTuner(limits);
      for (let index = 0; index < 600; index += 1) {
        const { maxRows: rows, atBacklog } = tuner.choose(waitingRows);
        expect(Number.isInteger(rows) && rows >= 1 && rows <= limits.limit, `${rows} rows`).toBe(true);
        expect(tuner.size, "size").toBeLessThanOrEqual(limits.limit);
        expect(tuner.size, "size").toBeGreaterThanOrEqual(Math.min(1, limits.initial));
        tuner.observe({ rows, seconds: times[index % times.length] ?? 1, atBacklog });
      }
    }),
    { numRuns: 50 },
  );
});
