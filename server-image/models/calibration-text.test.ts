// A calibration that travels to later replicas: it comes out as it went in, and is refused where it does not hold.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  type CalibrationBasis,
  readCalibration,
  type StoredCalibration,
  writeCalibration,
} from "./calibration-text.ts";

const BASIS: CalibrationBasis = {
  serverVersion: "1.2.3",
  modelBytes: 1000,
  usableThreads: 2,
  executionProvider: "cpu",
};

const STORED: StoredCalibration = {
  basis: BASIS,
  calibration: {
    workers: 2,
    threadsPerWorker: 1,
    shapes: [[1, 3], []],
    batchable: true,
    maxBatchSize: 16,
    runTimes: [
      { rows: 1, seconds: 0.001 },
      { rows: 16, seconds: 0.004 },
    ],
    rowsPerSecond: 4000,
    cpuSecondsPerRow: 0.0002,
    hopSeconds: 0.00004,
    provisional: false,
  },
  ioCpuSeconds: { "v2-rest": 0.0001 },
};

const NOT_MEASURED: StoredCalibration = {
  ...STORED,
  calibration: {
    ...STORED.calibration,
    shapes: undefined,
    runTimes: [],
    rowsPerSecond: undefined,
    cpuSecondsPerRow: undefined,
  },
  ioCpuSeconds: {},
};

test.each([
  ["one that was measured", STORED],
  ["one without samples that the model takes", NOT_MEASURED],
])("there and back: %s", (_name, stored) => {
  expect(readCalibration(writeCalibration(stored), BASIS)).toEqual(stored);
});

describe("refused, with a reason for people", () => {
  const text = (change: object) => JSON.stringify({ ...STORED, ...change });
  const calibration = (change: object) => text({ calibration: { ...STORED.calibration, ...change } });

  const CASES: Record<string, [string, RegExp]> = {
    "another version of the server": [
      text({ basis: { ...BASIS, serverVersion: "1.2.4" } }),
      /^serverVersion was 1\.2\.4 and is 1\.2\.3 here$/,
    ],
    "another model": [text({ basis: { ...BASIS, modelBytes: 7 } }), /^modelBytes was 7 and is 1000 here$/],
    "other CPUs": [text({ basis: { ...BASIS, usableThreads: 8 } }), /^usableThreads was 8 and is 2 here$/],
    "another provider": [text({ basis: { ...BASIS, executionProvider: "cuda" } }), /^executionProvider was cuda/],
    "a basis that does not say": [text({ basis: {} }), /^serverVersion was undefined/],
    "no JSON": ["{", /^it is not valid JSON$/],
    nothing: ["", /^it is not valid JSON$/],
    null: ["null", /lacks fields/],
    "a list": ["[]", /lacks fields/],
    "no calibration": [text({ calibration: undefined }), /lacks fields/],
    "no workers": [calibration({ workers: 0 }), /lacks fields/],
    "half a thread": [calibration({ threadsPerWorker: 0.5 }), /lacks fields/],
    "a batch size that is a word": [calibration({ maxBatchSize: "many" }), /lacks fields/],
    "batchable, perhaps": [calibration({ batchable: "perhaps" }), /lacks fields/],
    "no time of the hop": [calibration({ hopSeconds: null }), /lacks fields/],
    "run times that are none": [calibration({ runTimes: [null] }), /lacks fields/],
    "run times of no rows": [calibration({ runTimes: [{ rows: 0, seconds: 1 }] }), /lacks fields/],
    "negative run times": [calibration({ runTimes: [{ rows: 1, seconds: -1 }] }), /lacks fields/],
    "shapes that are none": [calibration({ shapes: [["wide"]] }), /lacks fields/],
    "a speed that is none": [calibration({ rowsPerSecond: "fast" }), /lacks fields/],
    "a negative cost": [calibration({ cpuSecondsPerRow: -1 }), /lacks fields/],
    "costs of I/O that are none": [text({ ioCpuSeconds: { "v2-rest": "little" } }), /lacks fields/],
    "I/O that costs nothing": [text({ ioCpuSeconds: { "v2-rest": 0 } }), /lacks fields/],
  };
  test.each(Object.entries(CASES))("%s", (_name, [given, reason]) => {
    expect(readCalibration(given, BASIS)).toMatch(reason);
  });

  test("whatever else: a reason, never an exception", () => {
    const damaged = fc
      .tuple(fc.constantFrom(...Object.keys(STORED), ...Object.keys(STORED.calibration)), fc.json())
      .map(([name, value]) =>
        writeCalibration(STORED).replace(new RegExp(`"${name}":("[^"]*"|[^,}]*)`), `"${name}":${value}`),
      );
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string(), damaged), (given) => {
        const read = readCalibration(given, BASIS);
        expect(typeof read === "string" || read.calibration.workers > 0).toBe(true);
      }),
    );
  });
});
