// Tests of the arrival schedule: in order, as many as the rate says, and the same whenever one looks.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Arrivals, seededRandom } from "./arrivals.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

function arrivalsAt(ratePerSecond: number, seed: number): Arrivals {
  const arrivals = new Arrivals(seededRandom(seed));
  arrivals.setRate(ratePerSecond, 0);
  return arrivals;
}

describe("arrivals", () => {
  test("come as often as the rate says: the mean of 10,000 gaps is within 5 standard errors", () => {
    fc.assert(
      fc.property(seeds, fc.double({ min: 0.5, max: 500, noNaN: true }), (seed, rate) => {
        const arrivals = arrivalsAt(rate, seed);
        let last = 0;
        for (let count = 0; count < 10_000; count++) {
          last = arrivals.nextMs;
          arrivals.take(last);
        }
        expect(Math.abs((last / 1000) * rate - 10_000)).toBeLessThan(5 * Math.sqrt(10_000));
      }),
      { numRuns: 30 },
    );
  });

  test("are uneven as real ones are: gaps vary as much as their mean", () => {
    const times = arrivalsAt(10, 1).take(1_000_000);
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(deviation / mean).toBeGreaterThan(0.9);
    expect(deviation / mean).toBeLessThan(1.1);
  });

  test("are the same however often one looks", () => {
    fc.assert(
      fc.property(seeds, fc.array(fc.integer({ min: 0, max: 10_000 })), (seed, looks) => {
        const atOnce = arrivalsAt(20, seed).take(10_000);
        const inParts = arrivalsAt(20, seed);
        const parts = [...looks.toSorted((a, b) => a - b), 10_000].flatMap((nowMs) => inParts.take(nowMs));
        expect(parts).toEqual(atOnce);
        expect(atOnce).toEqual(atOnce.toSorted((a, b) => a - b));
      }),
    );
  });

  test("never lie before a change of the rate, and setting the same rate changes nothing", () => {
    fc.assert(
      fc.property(
        seeds,
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 1, max: 100 }),
        (seed, changeMs, rate) => {
          const changed = arrivalsAt(5, seed);
          const before = changed.take(changeMs);
          changed.setRate(rate, changeMs);
          const after = changed.take(10_000);
          expect(before.every((time) => time <= changeMs)).toBe(true);
          expect(after.every((time) => time >= changeMs && time <= 10_000)).toBe(true);
          if (rate === 5) {
            expect([...before, ...after].length).toBe(arrivalsAt(5, seed).take(10_000).length);
          }
        },
      ),
    );
  });

  test("a tenfold rate ends the present wait ten times as fast", () => {
    const arrivals = arrivalsAt(1, 3);
    const aloneMs = arrivals.nextMs;
    arrivals.setRate(10, aloneMs / 2);
    expect(arrivals.nextMs).toBeCloseTo(aloneMs / 2 + aloneMs / 20, 6);
  });

  test("at rate 0 none comes, and the next is never", () => {
    const arrivals = arrivalsAt(10, 1);
    arrivals.take(5000);
    arrivals.setRate(0, 5000);
    expect(arrivals.nextMs).toBe(Number.POSITIVE_INFINITY);
    expect(arrivals.take(1_000_000)).toEqual([]);
  });
});

test("a seed gives its own numbers, all in [0, 1)", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const random = seededRandom(seed);
      const numbers = Array.from({ length: 50 }, random);
      const again = seededRandom(seed);
      expect(Array.from({ length: 50 }, again)).toEqual(numbers);
      expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
      expect(new Set(numbers).size).toBeGreaterThan(45);
    }),
  );
});
