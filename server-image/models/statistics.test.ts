// The figures of Triton's statistics: counted per request or per run as its text says, and summed over threads.

import { describe, expect, test } from "vitest";

import { addStatistics, type ModelStatistics, StatisticsRecorder } from "./statistics.ts";

const RUN = { inputMs: 1, inferMs: 10, outputMs: 2 };

test("zeros at the start", () => {
  const none = { count: 0, ns: 0 };
  expect(new StatisticsRecorder().snapshot()).toEqual({
    lastInferenceMs: 0,
    inferenceCount: 0,
    executionCount: 0,
    success: none,
    fail: none,
    queue: none,
    computeInput: none,
    computeInfer: none,
    computeOutput: none,
    batches: [],
  });
});

test("a run of joined requests: one execution, a row each, and the parts once for each request", () => {
  const recorder = new StatisticsRecorder();
  recorder.ran({ ...RUN, rows: 4, requests: 3, wallClockMs: 1_700_000_000_000 });
  expect(recorder.snapshot()).toMatchObject({
    lastInferenceMs: 1_700_000_000_000,
    inferenceCount: 4,
    executionCount: 1,
    computeInput: { count: 3, ns: 3e6 },
    computeInfer: { count: 3, ns: 30e6 },
    computeOutput: { count: 3, ns: 6e6 },
    batches: [
      {
        batchSize: 4,
        computeInput: { count: 1, ns: 1e6 },
        computeInfer: { count: 1, ns: 10e6 },
        computeOutput: { count: 1, ns: 2e6 },
      },
    ],
  });
});

test("answers, failures and waits have counts and times of their own", () => {
  const recorder = new StatisticsRecorder();
  recorder.queued(1);
  recorder.queued(2);
  recorder.succeeded(5);
  recorder.failed(0.5);
  expect(recorder.snapshot()).toMatchObject({
    queue: { count: 2, ns: 3e6 },
    success: { count: 1, ns: 5e6 },
    fail: { count: 1, ns: 5e5 },
  });
});

test("clients that choose ever new sizes do not make the list grow without end", () => {
  const recorder = new StatisticsRecorder();
  for (let rows = 1; rows <= 1000; rows += 1) {
    recorder.ran({ ...RUN, rows, requests: 1, wallClockMs: 1 });
  }
  const { batches, executionCount } = recorder.snapshot();
  expect(executionCount).toBe(1000);
  expect(batches).toHaveLength(256);
  recorder.ran({ ...RUN, rows: 7, requests: 1, wallClockMs: 1 });
  expect(recorder.snapshot().batches[6]).toMatchObject({ batchSize: 7, computeInfer: { count: 2 } });
});

describe("of several threads", () => {
  function recorded(...rows: number[]): ModelStatistics {
    const recorder = new StatisticsRecorder();
    for (const own of rows) {
      recorder.queued(1);
      recorder.ran({ ...RUN, rows: own, requests: 1, wallClockMs: 1000 + own });
      recorder.succeeded(20);
    }
    return recorder.snapshot();
  }

  test("sums are those of one recorder that had seen all of it", () => {
    expect(addStatistics([recorded(8, 2), recorded(1, 8), recorded()])).toEqual(recorded(1, 2, 8, 8));
  });

  test("none at all: zeros", () => {
    expect(addStatistics([])).toEqual(recorded());
  });
});
