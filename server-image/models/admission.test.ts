// When a request is refused at once: what it could expect to wait, beside what it and the server allow.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { refuseTooLate, type Situation } from "./admission.ts";

/** Runs of any size take 100 ms; one at a time, of at most 10 rows. */
const BUSY: Situation = {
  runTimes: { estimate: () => 0.1 },
  rowsAhead: 0,
  batchSize: 10,
  parallelRuns: 1,
  idle: false,
  maxExpectedWaitMs: 1000,
};

const nothingKnown = { estimate: () => undefined };

describe("taken", () => {
  const CASES: Record<string, [timeoutMs: number | undefined, Partial<Situation>]> = {
    "as many rows ahead as run within the allowed wait": [undefined, { rowsAhead: 100 }],
    "twice as many where two run at a time": [undefined, { rowsAhead: 200, parallelRuns: 2 }],
    "four runs ahead, however short the allowed wait": [undefined, { rowsAhead: 40, maxExpectedWaitMs: 1 }],
    "a deadline that leaves time for the wait and a run": [301, { rowsAhead: 20 }],
    "any deadline ahead while no run has been seen": [1, { rowsAhead: 1000, runTimes: nothingKnown }],
    "any deadline ahead where it would run at once: earlier runs may have been slow by chance": [1, { idle: true }],
  };
  test.each(Object.entries(CASES))("%s", (_name, [timeoutMs, situation]) => {
    expect(refuseTooLate({ timeoutMs }, { ...BUSY, ...situation })).toBeUndefined();
  });
});

describe("refused", () => {
  const CASES: Record<string, [timeoutMs: number | undefined, Partial<Situation>, message: string]> = {
    "one run more ahead than is allowed": [
      undefined,
      { rowsAhead: 110 },
      "Exceeds maximum queue size: it would wait 1.1 s; try again later",
    ],
    "more than four runs ahead where hardly any wait is allowed": [
      undefined,
      { rowsAhead: 41, maxExpectedWaitMs: 1 },
      "Exceeds maximum queue size: it would wait 0.41 s; try again later",
    ],
    "a deadline that the wait leaves no time for": [
      250,
      { rowsAhead: 20 },
      "Request timeout expired: it would take 0.3 s and has 0.25 s",
    ],
    "a deadline that has passed, even where nothing is known or ahead": [
      0,
      { runTimes: nothingKnown, idle: true },
      "Request timeout expired: its deadline had passed when it arrived",
    ],
  };
  test.each(Object.entries(CASES))("%s", (_name, [timeoutMs, situation, message]) => {
    expect(refuseTooLate({ timeoutMs }, { ...BUSY, ...situation })).toMatchObject({ code: "UNAVAILABLE", message });
  });
});

test("who is refused would be refused behind more rows too", () => {
  const rows = fc.nat({ max: 10_000 });
  fc.assert(
    fc.property(rows, rows, fc.integer({ min: 1, max: 5000 }), (one, other, timeoutMs) => {
      const refused = (rowsAhead: number) => refuseTooLate({ timeoutMs }, { ...BUSY, rowsAhead }) !== undefined;
      expect(refused(Math.min(one, other)) && !refused(Math.max(one, other))).toBe(false);
    }),
  );
});
