// Tests of the live table's lines.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clock, type Observation, tableHeader, tableRow } from "./table.ts";

const row: Observation = {
  elapsedSeconds: 65,
  offeredPerSecond: 20,
  measuredPerSecond: 19.96,
  queueDepth: 3,
  desiredReplicas: 5,
  readyReplicas: 4,
  p50Ms: 95,
  p99Ms: 1249,
  answered: 512,
  rejected: 7,
  lost: 0,
};

describe("the table", () => {
  test("shows each figure under its title", () => {
    expect([tableHeader(), tableRow(row)]).toEqual([
      " time   offered  measured  queue  desired  ready      p50      p99  answered  rejected  lost",
      " 1:05    20.0/s    20.0/s      3        5      4    95 ms    1.2 s       512         7     0",
    ]);
  });

  test("shows what nobody could tell as a dash, never as 0", () => {
    const unknown = { ...row, measuredPerSecond: undefined, queueDepth: undefined, desiredReplicas: undefined };
    const cells = tableRow({ ...unknown, readyReplicas: undefined, p50Ms: undefined, p99Ms: undefined }).split(
      /\s{2,}/,
    );
    expect(cells.filter((cell) => cell === "-")).toHaveLength(6);
  });

  test("keeps its columns for every size of figure", () => {
    const amount = fc.integer({ min: 0, max: 99_999 });
    const few = fc.integer({ min: 0, max: 999 });
    const rate = fc.double({ min: 0, max: 9999, noNaN: true });
    const rows = fc.record({
      elapsedSeconds: fc.integer({ min: 0, max: 5999 }),
      offeredPerSecond: rate,
      measuredPerSecond: rate,
      queueDepth: few,
      desiredReplicas: few,
      readyReplicas: few,
      p50Ms: amount,
      p99Ms: amount,
      answered: amount,
      rejected: amount,
      lost: few,
    });
    fc.assert(
      fc.property(rows, (any) => {
        expect(tableRow(any)).toHaveLength(tableHeader().length);
      }),
    );
  });
});

test.each([
  [0, "0:00"],
  [9.99, "0:09"],
  [60, "1:00"],
  [754, "12:34"],
])("%d seconds are %s", (seconds, expected) => {
  expect(clock(seconds)).toBe(expected);
});
