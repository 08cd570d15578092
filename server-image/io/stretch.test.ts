// How long the last measurement is: as the model needs it, within the time, or not at all.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { fittingStretch, type Stretch, wishedStretch } from "./stretch.ts";

function wished(rowsPerSecond: number, { maxBatchSize = 1, parallelRuns = 1 } = {}): Stretch {
  const stretch = wishedStretch({ plan: { maxBatchSize }, calibration: { rowsPerSecond }, runner: { parallelRuns } });
  if (stretch === undefined) {
    throw new Error("nothing is wished");
  }
  return stretch;
}

describe("clients and length", () => {
  const CASES: Record<string, [Stretch, Partial<Stretch>]> = {
    "as many clients as busy services have": [wished(3000, { maxBatchSize: 64 }), { connections: 128 }],
    "fewer where they would wait for longer than 0.3 s": [wished(20), { connections: 6 }],
    "at least one for each worker": [wished(2, { parallelRuns: 4 }), { connections: 4 }],
    "0.6 s for fast models": [wished(3000), { milliseconds: 600 }],
    "12 runs for slow ones": [wished(16), { milliseconds: 750 }],
    "12 runs of full batches": [wished(100, { maxBatchSize: 8 }), { milliseconds: 960 }],
    "1.5 s at the most": [wished(2), { milliseconds: 1500 }],
  };
  test.each(Object.entries(CASES))("%s", (_name, [stretch, expected]) => {
    expect(stretch).toMatchObject(expected);
  });

  test("nothing where nothing is known of the runs", () => {
    const unknown = {
      calibration: { rowsPerSecond: undefined },
      plan: { maxBatchSize: 1 },
      runner: { parallelRuns: 1 },
    };
    expect(wishedStretch(unknown)).toBeUndefined();
  });
});

describe("in the time that is left", () => {
  const fast = wished(1000);
  const slow = wished(10);
  const CASES: Record<string, [Stretch, number, { warmUpMs: number; milliseconds: number } | undefined]> = {
    "enough: as wished": [fast, 10_000, { warmUpMs: 400, milliseconds: 600 }],
    "half of the lengths: all in proportion": [fast, fast.totalMs - 500, { warmUpMs: 200, milliseconds: 300 }],
    "less than two fifths: nothing": [fast, fast.totalMs - 601, undefined],
    "none, or less: nothing": [fast, -5000, undefined],
    "less than five runs: nothing": [slow, slow.totalMs - 1000, undefined],
  };
  test.each(Object.entries(CASES))("%s", (_name, [stretch, leftMs, expected]) => {
    const fitting = fittingStretch(stretch, leftMs);
    expect(fitting?.warmUpMs).toBe(expected?.warmUpMs);
    expect(fitting?.milliseconds).toBe(expected?.milliseconds);
  });

  test("it never takes longer than is left", () => {
    const anyRate = fc.double({ min: 0.1, max: 100_000, noNaN: true });
    fc.assert(
      fc.property(
        anyRate,
        fc.integer({ min: 1, max: 128 }),
        fc.integer({ min: 0, max: 10_000 }),
        (rate, rows, leftMs) => {
          const fitting = fittingStretch(wished(rate, { maxBatchSize: rows }), leftMs);
          expect(fitting?.totalMs ?? 0).toBeLessThanOrEqual(leftMs + 1e-6);
        },
      ),
    );
  });
});
