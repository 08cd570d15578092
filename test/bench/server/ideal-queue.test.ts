// The ideal queue against examples worked by hand, queueing theory, and what holds for every queue.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../demo/arrivals.ts";
import { runTimeSampler, simulateIdealQueue } from "./ideal-queue.ts";
import { arrivalTimes } from "./load/arrival-times.ts";

/** Runs take 1 s and 0.1 s more for each request after the first. */
const batched = (requests: number) => 1 + 0.1 * (requests - 1);

const CASES: Record<
  string,
  {
    workers: number;
    maxBatch: number;
    run: (requests: number, busy: number) => number;
    arrivals: number[];
    latencies: number[];
  }
> = {
  "nobody comes": { workers: 1, maxBatch: 1, run: () => 1, arrivals: [], latencies: [] },
  "one request takes one run": { workers: 1, maxBatch: 8, run: batched, arrivals: [5], latencies: [1] },
  "without batching they wait for each other": {
    workers: 1,
    maxBatch: 1,
    run: () => 1,
    arrivals: [0, 0.5, 0.5],
    latencies: [1, 1.5, 2.5],
  },
  "who comes during a run is the next batch": {
    workers: 1,
    maxBatch: 8,
    run: batched,
    arrivals: [0, 0.25, 0.5],
    latencies: [1, 1.85, 1.6],
  },
  "a batch takes no more than fit": {
    workers: 1,
    maxBatch: 2,
    run: batched,
    arrivals: [0, 0, 0],
    latencies: [1.1, 1.1, 2.1],
  },
  "a free worker takes a request at once, alone": {
    workers: 2,
    maxBatch: 8,
    run: batched,
    arrivals: [0, 0.5],
    latencies: [1, 1],
  },
  "two busy workers slow each other down": {
    workers: 2,
    maxBatch: 1,
    run: (_requests, busy) => busy,
    arrivals: [0, 0.5, 10],
    latencies: [1, 2, 1],
  },
  "the worker that is free first goes on": {
    workers: 2,
    maxBatch: 1,
    run: () => 1,
    arrivals: [0, 0.4, 0.5, 0.6],
    latencies: [1, 1, 1.5, 1.8],
  },
};

test.each(Object.entries(CASES))("%s", (_name, { workers, maxBatch, run, arrivals, latencies }) => {
  const seen = simulateIdealQueue(arrivals, { workers, maxBatch, runSeconds: run });
  expect(seen.map((seconds) => Number(seconds.toFixed(6)))).toEqual(latencies);
});

test("one worker with fixed times waits as queueing theory says (M/D/1)", () => {
  const load = 0.7;
  const arrivals = arrivalTimes({ ratePerSecond: load, seconds: 200_000, seed: 1 });
  const latencies = simulateIdealQueue(arrivals, { workers: 1, maxBatch: 1, runSeconds: () => 1 });
  const mean = latencies.reduce((sum, seconds) => sum + seconds, 0) / latencies.length;
  // Pollaczek-Khinchine: the mean wait is load / (2 * (1 - load)) run times.
  expect(mean).toBeCloseTo(1 + load / (2 * (1 - load)), 1);
});

test("every request is answered once, never faster than a run, and more workers never make the last one later", () => {
  const gaps = fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { maxLength: 60 });
  const sizes = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(gaps, sizes, sizes, (between, workers, maxBatch) => {
      let now = 0;
      const arrivals = between.map((gap) => {
        now += gap;
        return now;
      });
      const latencies = simulateIdealQueue(arrivals, { workers, maxBatch, runSeconds: () => 1 });
      expect(latencies).toHaveLength(arrivals.length);
      expect(latencies.every((seconds) => seconds > 1 - 1e-9)).toBe(true);
      const lastEnd = (all: number[]) => Math.max(0, ...all.map((seconds, index) => seconds + (arrivals[index] ?? 0)));
      const more = simulateIdealQueue(arrivals, { workers: workers + 1, maxBatch, runSeconds: () => 1 });
      expect(lastEnd(more)).toBeLessThanOrEqual(lastEnd(latencies) + 1e-9);
    }),
  );
});

describe("run times", () => {
  const measured = [
    { requests: 1, busyWorkers: 1, seconds: [3, 1] },
    { requests: 5, busyWorkers: 1, seconds: [9, 5] },
    { requests: 1, busyWorkers: 2, seconds: [10] },
  ];
  test.each([
    ["a measured size, low", { requests: 1, busy: 1, quantile: 0 }, 1],
    ["a measured size, high", { requests: 1, busy: 1, quantile: 0.99 }, 3],
    ["a size in between", { requests: 3, busy: 1, quantile: 0 }, 3],
    ["a size in between, high", { requests: 2, busy: 1, quantile: 0.99 }, 4.5],
    ["a size above all: the largest", { requests: 7, busy: 1, quantile: 0 }, 5],
    ["more busy workers", { requests: 1, busy: 2, quantile: 0.5 }, 10],
  ])("%s", (_name, { requests, busy, quantile }, expected) => {
    expect(runTimeSampler(measured, () => quantile)(requests, busy)).toBe(expected);
  });

  test("a state that was not measured is an error", () => {
    expect(() => runTimeSampler(measured, seededRandom(1))(1, 3)).toThrow("3 busy workers");
  });
});
