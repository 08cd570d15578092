// Tests of the books: every request counted exactly once, percentiles that were really observed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Outcome, percentile, RequestAccount } from "./request-account.ts";

const outcomes = fc.constantFrom<Outcome>("answered", "rejected", "lost");

describe("RequestAccount", () => {
  test("each request ends as exactly one of answered, rejected, lost, whatever happens to it afterwards", () => {
    fc.assert(
      fc.property(fc.array(fc.array(outcomes, { maxLength: 4 })), (requests) => {
        const account = new RequestAccount();
        const ends = requests.map(() => account.send(0, 0));
        requests.forEach((outcomesOfOne, index) => {
          outcomesOfOne.forEach((outcome) => ends[index]?.(outcome, 1));
        });
        const first = (wanted: Outcome) => requests.filter(([outcome]) => outcome === wanted).length;
        expect(account.report(1, 0)).toMatchObject({
          sent: requests.length,
          answered: first("answered"),
          rejected: first("rejected"),
          lost: first("lost"),
          inFlight: requests.filter((list) => list.length === 0).length,
        });
      }),
    );
  });

  test("a request counts in the phase in which it arrived, even when it ends in the next", () => {
    const account = new RequestAccount();
    const slow = account.send(0, 0);
    account.startPhase();
    account.send(10, 10)("answered", 20);
    slow("rejected", 30);
    const report = account.report(40, 1);
    expect(report.phase).toEqual({ sent: 1, answered: 1, rejected: 0, lost: 0 });
    expect(report).toMatchObject({ sent: 2, answered: 1, rejected: 1 });
  });

  test("latency runs from the scheduled arrival, so that a late sender cannot hide a slow server", () => {
    const account = new RequestAccount();
    account.send(100, 160)("answered", 200);
    expect(account.report(200, 1)).toMatchObject({ p50Ms: 100, p99Ms: 100, latestSendMs: 60 });
  });

  test("percentiles look at the answers of the last five seconds, and there are none without answers", () => {
    const account = new RequestAccount();
    account.send(0, 0)("answered", 1000);
    account.send(0, 0)("rejected", 5500);
    expect(account.report(5900, 1)).toMatchObject({ p50Ms: 1000 });
    expect(account.report(6000, 1)).not.toHaveProperty("p50Ms");
  });

  test("losses are told with their reasons", () => {
    const account = new RequestAccount();
    account.send(0, 0)("lost", 1, "ECONNRESET");
    account.send(0, 0)("lost", 1, "ECONNRESET");
    account.send(0, 0)("lost", 1, "status 500");
    expect(account.report(1, 1).lossReasons).toEqual({ ECONNRESET: 2, "status 500": 1 });
  });
});

describe("percentile", () => {
  test.each([
    ["of no values is none", [], 50, undefined],
    ["of one value is that value", [7], 99, 7],
    ["50 of two values is the lower one", [1, 2], 50, 1],
    ["99 of few values is the largest", [1, 2, 3], 99, 3],
    ["99 of 100 values leaves one above", Array.from({ length: 100 }, (_, index) => index + 1), 99, 99],
    ["0 is the smallest", [1, 2, 3], 0, 1],
  ])("%s", (_sentence, sorted, percent, expected) => {
    expect(percentile(sorted, percent)).toBe(expected);
  });

  test("is an observed value that enough values do not exceed, and grows with the percentage", () => {
    const values = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1 });
    const percents = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(values, percents, percents, (unsorted, one, other) => {
        const sorted = unsorted.toSorted((a, b) => a - b);
        const [low, high] = [percentile(sorted, Math.min(one, other)), percentile(sorted, Math.max(one, other))];
        expect(sorted).toContain(low);
        expect(low).toBeLessThanOrEqual(high ?? -1);
        const notAbove = sorted.filter((value) => value <= (high ?? -1)).length;
        expect(notAbove / sorted.length).toBeGreaterThanOrEqual(Math.max(one, other) / 100);
      }),
    );
  });
});
