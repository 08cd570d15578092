// The load line: the least of its bounds, and corrections that come to what was seen.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { computeLoadLine, LoadLine, type LoadLineInputs } from "./load-line.ts";

const EXAMPLE: LoadLineInputs = {
  rowsPerSecond: 100,
  cpuSecondsPerRow: 0.02,
  ioCpuSeconds: { "v2-rest": 0.0005 },
  ioThreads: 1,
  cpus: 2,
};

describe("as measured", () => {
  const CASES: Record<string, [Partial<LoadLineInputs>, Record<string, number>]> = {
    "the worked example: there is not enough CPU for both": [{}, { "v2-rest": 97.6 }],
    "with more CPUs the workers are the limit": [{ cpus: 4 }, { "v2-rest": 100 }],
    "a model that costs next to nothing: the I/O thread is the limit": [
      { rowsPerSecond: 1e6, cpuSecondsPerRow: 1e-6 },
      { "v2-rest": 2000 },
    ],
    "two I/O threads carry twice as much": [
      { rowsPerSecond: 1e6, cpuSecondsPerRow: 1e-6, ioThreads: 2, cpus: 8 },
      { "v2-rest": 4000 },
    ],
    "where the I/O threads run the model, what they carry is all": [
      { rowsPerSecond: undefined, cpuSecondsPerRow: 0, ioThreads: 2 },
      { "v2-rest": 4000 },
    ],
    "half a CPU": [{ cpus: 0.5 }, { "v2-rest": 24.4 }],
    "a line for each protocol that was measured": [
      { ioCpuSeconds: { "v2-rest": 0.01, "v2-rest-binary": 0.0005 } },
      { "v2-rest": 66.7, "v2-rest-binary": 97.6 },
    ],
    "none where nothing was measured": [{ ioCpuSeconds: {} }, {}],
  };
  test.each(Object.entries(CASES))("%s", (_name, [inputs, expected]) => {
    const lines = Object.entries(computeLoadLine({ ...EXAMPLE, ...inputs }));
    expect(Object.fromEntries(lines.map(([protocol, line]) => [protocol, Number(line.toPrecision(3))]))).toEqual(
      expected,
    );
  });

  const cost = fc.double({ min: 1e-7, max: 1000, noNaN: true });
  const inputs = fc.record({
    rowsPerSecond: fc.option(fc.double({ min: 1e-3, max: 1e7, noNaN: true }), { nil: undefined }),
    cpuSecondsPerRow: fc.oneof(fc.constant(0), cost),
    ioCpuSeconds: fc.dictionary(fc.constantFrom("v2-rest", "v2-grpc", "tfs-rest"), cost),
    ioThreads: fc.integer({ min: 1, max: 64 }),
    cpus: fc.double({ min: 0.1, max: 64, noNaN: true }),
  });

  test("never above any of its bounds, always above zero", () => {
    fc.assert(
      fc.property(inputs, (measured) => {
        const lines = Object.entries(computeLoadLine(measured));
        expect(lines.map(([protocol]) => protocol)).toEqual(Object.keys(measured.ioCpuSeconds));
        for (const [protocol, line] of lines) {
          const io = measured.ioCpuSeconds[protocol] ?? Number.NaN;
          const slack = 1 + 1e-9;
          expect(line).toBeGreaterThan(0);
          expect(line).toBeLessThanOrEqual(measured.rowsPerSecond ?? Infinity);
          expect(line * io).toBeLessThanOrEqual(measured.ioThreads * slack);
          expect(line * (io + measured.cpuSecondsPerRow)).toBeLessThanOrEqual(measured.cpus * slack);
        }
      }),
    );
  });

  test("more of anything never lowers it", () => {
    fc.assert(
      fc.property(inputs, (measured) => {
        const before = computeLoadLine(measured);
        const richer = { ...measured, ioThreads: measured.ioThreads + 1, cpus: measured.cpus + 1 };
        for (const [protocol, line] of Object.entries(computeLoadLine(richer))) {
          expect(line).toBeGreaterThanOrEqual(before[protocol] ?? Number.NaN);
        }
      }),
    );
  });
});

describe("corrected by live traffic", () => {
  function corrected(initial: Record<string, number>, ...observed: Record<string, number>[]): Record<string, number> {
    const loadLine = new LoadLine(initial);
    for (const throughput of observed) {
      loadLine.correct(throughput);
    }
    return Object.fromEntries(loadLine.entries);
  }

  const CASES: Record<string, [initial: Record<string, number>, observed: Record<string, number>[], object]> = {
    "half the way to what was seen": [{ a: 100 }, [{ a: 80 }], { a: 90 }],
    "upwards as well": [{ a: 100 }, [{ a: 140 }], { a: 120 }],
    "as it was where it was right": [{ a: 100 }, [{ a: 100 }], { a: 100 }],
    "a mix that it had right: half of each": [{ a: 100, b: 50 }, [{ a: 50, b: 25 }], { a: 100, b: 50 }],
    "all lines alike, also those of protocols not seen": [{ a: 100, b: 50 }, [{ a: 80 }], { a: 90, b: 45 }],
    "a protocol without a line gets one": [{ a: 100 }, [{ a: 30, b: 20 }], { a: 100, b: 50 }],
    "none at all: what was seen": [{}, [{ a: 30, b: 0 }], { a: 30 }],
    "next to no answers say nothing": [{ a: 100 }, [{ a: 0.5 }, { a: 0 }, {}], { a: 100 }],
  };
  test.each(Object.entries(CASES))("%s", (_name, [initial, observed, expected]) => {
    expect(corrected(initial, ...observed)).toEqual(expected);
  });

  const rate = fc.double({ min: 1, max: 1e6, noNaN: true });

  test("comes to within 2 % of what is seen in 8 steps, from no more than 5 times or less than a fifth of it", () => {
    fc.assert(
      fc.property(rate, fc.double({ min: 0.2, max: 5, noNaN: true }), (truth, error) => {
        const { a = Number.NaN } = corrected({ a: truth * error }, ...Array.from({ length: 8 }, () => ({ a: truth })));
        expect(Math.abs(a / truth - 1)).toBeLessThan(0.02);
      }),
    );
  });

  test("a mix of protocols comes to lines that this mix fills", () => {
    fc.assert(
      fc.property(rate, rate, fc.double({ min: 0.2, max: 5, noNaN: true }), (a, b, error) => {
        const lines = corrected(
          { a: 2 * a * error, b: 2 * b * error },
          ...Array.from({ length: 10 }, () => ({ a, b })),
        );
        expect(a / (lines["a"] ?? 0) + b / (lines["b"] ?? 0)).toBeCloseTo(1, 1);
      }),
    );
  });

  test("stays a number above zero, whatever is seen", () => {
    const throughput = fc.dictionary(
      fc.constantFrom("a", "b", "c"),
      fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true })),
    );
    const initial = fc.dictionary(fc.constantFrom("a", "b"), fc.double({ min: 1e-3, max: 1e9, noNaN: true }));
    fc.assert(
      fc.property(initial, fc.array(throughput, { maxLength: 50 }), (start, observed) => {
        for (const line of Object.values(corrected(start, ...observed))) {
          expect(Number.isFinite(line) && line > 0, String(line)).toBe(true);
        }
      }),
    );
  });
});

describe("raised by what was answered", () => {
  const CASES: Record<string, [initial: Record<string, number>, observed: Record<string, number>, object]> = {
    "more than it takes by its line: half the way up": [{ a: 100 }, { a: 140 }, { a: 120 }],
    "less says nothing": [{ a: 100 }, { a: 80 }, { a: 100 }],
    "a mix that fills it more than once": [
      { a: 100, b: 50 },
      { a: 100, b: 25 },
      { a: 125, b: 62.5 },
    ],
    "a protocol without a line gets none: how much it could be is not known": [{ a: 100 }, { b: 500 }, { a: 100 }],
    "next to no answers say nothing": [{ a: 0.1 }, { a: 0.5 }, { a: 0.1 }],
  };
  test.each(Object.entries(CASES))("%s", (_name, [initial, observed, expected]) => {
    const loadLine = new LoadLine(initial);
    loadLine.raise(observed);
    expect(Object.fromEntries(loadLine.entries)).toEqual(expected);
  });
});

test("what was measured of all parts together corrects what is computed of them, for protocols that are alike too", () => {
  const parts = { rowsPerSecond: 1000, cpuSecondsPerRow: 0, ioThreads: 1, cpus: 1 };
  const ioCpuSeconds = { "v2-rest": 0.002, "v2-rest-binary": 0.001, "v2-grpc": 0.004, "tfs-rest": 0.005 };
  const saturation = { "v2-rest-binary": 800 };
  const lines = computeLoadLine({ ...parts, ioCpuSeconds, saturation });
  expect(lines).toEqual({ "v2-rest": 400, "v2-rest-binary": 800, "v2-grpc": 200, "tfs-rest": 160 });
  // The nearest of what was measured.
  const both = computeLoadLine({ ...parts, ioCpuSeconds, saturation: { ...saturation, "v2-rest": 250 } });
  expect(both).toEqual({ "v2-rest": 250, "v2-rest-binary": 800, "v2-grpc": 200, "tfs-rest": 100 });
});
