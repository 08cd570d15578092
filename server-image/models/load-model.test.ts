// From a file to something that runs it: the plan, workers or none, memory, earlier calibrations.

import { afterEach, describe, expect, test, vi } from "vitest";

import { LoadError } from "../load-error.ts";
import { recordingLog, testModel } from "../test-server.ts";
import type { Calibration } from "./calibration.ts";
import { InlineRunner } from "./inline-runner.ts";
import { type LoadedModel, type LoadOptions, openInline, openModel, settleModel } from "./load-model.ts";
import { WorkerPool } from "./pool.ts";
import { TINY } from "./test-calibration.ts";
import { numbersOf, tensorOf } from "./test-runner.ts";

vi.setConfig({ testTimeout: 30_000 });

const loaded: LoadedModel[] = [];

afterEach(async () => {
  await Promise.all(loaded.splice(0).map((model) => model.stop()));
});

/** A run that is longer than the way to a worker. */
const SLOW: Calibration = { ...TINY, runTimes: [{ rows: 1, seconds: 0.001 }] };

function optionsWith(options: Partial<LoadOptions>): LoadOptions {
  return {
    name: "m",
    executionProvider: "cpu",
    usableThreads: 2,
    workers: undefined,
    threadsPerWorker: undefined,
    ioThreads: undefined,
    maxBatchSize: undefined,
    batchDelayMs: 0,
    latencyBoundMs: 100,
    budgetMs: 300,
    memoryLimitBytes: undefined,
    earlier: undefined,
    memoryBytes: () => process.memoryUsage.rss(),
    throttledPeriods: () => undefined,
    cpuSeconds: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    clock: () => performance.now(),
    draw: Math.random,
    pool: { runTimeoutMs: 60_000, onStuckRun: () => undefined },
    log: recordingLog().log,
    ...options,
  };
}

async function load(name: string, options: Partial<LoadOptions> = {}): Promise<LoadedModel> {
  const all = optionsWith(options);
  const file = { path: testModel(name), version: "7" };
  const model = await settleModel(file, await openModel(file, all), all);
  loaded.push(model);
  return model;
}

async function runOnce({ runner }: LoadedModel): Promise<number[]> {
  const { outputs } = await runner.run({ inputs: [tensorOf("x", [1, 3], [1, 2, 3])], outputNames: ["y"] });
  return numbersOf(outputs[0]);
}

describe("the plan", () => {
  const CASES: Record<string, [Partial<LoadOptions>, Partial<LoadedModel["plan"]>]> = {
    "a run longer than the way to a worker: workers, and one thread for the I/O": [
      { earlier: SLOW },
      { inline: false, workers: 1, threadsPerWorker: 1, ioThreads: 1, batchable: true, maxBatchSize: 8 },
    ],
    "a run shorter than that: on the threads of the I/O, as many as there are CPUs": [
      { earlier: TINY },
      { inline: true, workers: 2, threadsPerWorker: 1, ioThreads: 2, batchable: true, maxBatchSize: 8 },
    ],
    "as many threads for the I/O as the user says": [
      { earlier: TINY, ioThreads: 1 },
      { inline: true, workers: 1, ioThreads: 1 },
    ],
    "also beside workers": [
      { earlier: SLOW, ioThreads: 2 },
      { inline: false, workers: 1, ioThreads: 2 },
    ],
    "a user who asks for workers gets them": [
      { earlier: TINY, workers: 1 },
      { inline: false, workers: 1, ioThreads: 1 },
    ],
    "the batch delay that was asked for": [{ earlier: SLOW, batchDelayMs: 3 }, { batchDelayMs: 3 }],
    "nothing was measured: workers": [
      { earlier: { ...TINY, runTimes: [], shapes: undefined, rowsPerSecond: undefined } },
      { inline: false, ioThreads: 1 },
    ],
  };
  test.each(Object.entries(CASES))("%s", async (_name, [options, expected]) => {
    const model = await load("identity-rows", options);
    expect(model.plan).toMatchObject({ executionProvider: "cpu", ...expected });
    expect(model.runner).toBeInstanceOf(model.plan.inline ? InlineRunner : WorkerPool);
    expect(await runOnce(model)).toEqual([1, 2, 3]);
    expect(model.readiness()).toEqual({ ready: true });
  });

  test("a model that takes long to load does not run on the thread of the I/O, which would stand still", async () => {
    let calls = 0;
    // The first two readings lie around the load.
    const clock = () => (calls++ === 0 ? 0 : 1000 + performance.now());
    expect((await load("identity-rows", { earlier: TINY, clock })).plan.inline).toBe(false);
  });
});

test("measured here: the model is described, proved and timed", async () => {
  const model = await load("identity-rows", { workers: 1, maxBatchSize: 2 });
  expect(model.metadata).toEqual({
    name: "m",
    version: "7",
    platform: "onnx_onnxv1",
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
  });
  const { batchable, shapes, runTimes, rowsPerSecond, cpuSecondsPerRow, hopSeconds } = model.calibration;
  expect({ batchable, shapes }).toEqual({ batchable: true, shapes: [[1, 3]] });
  expect(runTimes[0]).toEqual({ rows: 1, seconds: expect.any(Number) as number });
  for (const figure of [runTimes[0]?.seconds, rowsPerSecond, cpuSecondsPerRow, hopSeconds]) {
    expect(figure).toBeGreaterThan(0);
  }
});

test("no more copies than fit into the memory limit", async () => {
  const readings = [100, 150];
  // 100 MB before the first copy, 150 with it: of 200 MB, 160 are for copies, which is less than another one takes.
  const memoryBytes = () => (readings.shift() ?? 150) * 1e6;
  const { lines, log } = recordingLog();
  const model = await load("identity-rows", {
    memoryBytes,
    memoryLimitBytes: 200e6,
    usableThreads: 4,
    maxBatchSize: 1,
    log,
  });
  expect(model.calibration.workers).toBe(1);
  expect(lines.map(({ message }) => message)).not.toContain("calibration trial");
});

test("the model's runner tells when it is idle again", async () => {
  const model = await load("identity-rows", { earlier: SLOW });
  const idle = Promise.withResolvers<void>();
  model.onIdle(idle.resolve);
  await runOnce(model);
  await idle.promise;
});

describe("what cannot be loaded", () => {
  test.each([
    ["no model", import.meta.filename, "MODEL_INVALID"],
    ["a model with a sequence", testModel("sequence-output"), "MODEL_UNSUPPORTED"],
  ])("%s", async (_name, path, code) => {
    const opening = openModel({ path, version: "1" }, optionsWith({}));
    await expect(opening).rejects.toThrow(LoadError);
    await expect(opening).rejects.toMatchObject({ code, phase: "load" });
  });
});

test("on this thread", async () => {
  const runner = await openInline(testModel("scalar"), "cpu");
  const { outputs } = await runner.run({ inputs: [tensorOf("x", [], [3])], outputNames: ["square"] });
  expect(numbersOf(outputs[0])).toEqual([9]);
});
