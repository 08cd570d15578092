// What calibration finds, on runners whose run times come from a table and whose clock runs only with them.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { LoadError } from "../load-error.ts";
import { recordingLog } from "../test-server.ts";
import { type Calibration, type CalibrationOptions, calibrate, warmUp } from "./calibration.ts";
import type { ModelMetadata } from "./metadata.ts";
import type { RunRequest, RunResult } from "./runner.ts";
import { firstSplit, type Split } from "./splits.ts";
import { numbersOf, tensorOf } from "./test-runner.ts";

const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  platform: "onnx_onnxv1",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};

/** Milliseconds of one run. */
type RunMs = (rows: number, split: Split) => number;

const HOP_MS = 0.05;
const LOAD_MS = 200;

/** A machine whose time passes only while models load and run, each worker's beside the others'. */
class FakeMachine {
  nowMs = 0;
  cpuSeconds = 0;
  readonly runMs: RunMs;
  readonly runners: FakeRunner[] = [];
  readonly #events: { readonly atMs: number; readonly happen: () => void }[] = [];

  constructor(runMs: RunMs) {
    this.runMs = runMs;
  }

  async wait(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#events.push({ atMs: this.nowMs + milliseconds, happen: resolve });
    // Time goes on only when nobody has anything to do any more.
    setImmediate(() => {
      const [next] = this.#events.toSorted((a, b) => a.atMs - b.atMs);
      if (next !== undefined) {
        this.#events.splice(this.#events.indexOf(next), 1);
        this.nowMs = next.atMs;
        next.happen();
      }
    });
    return promise;
  }

  async open(split: Split): Promise<FakeRunner> {
    await this.wait(LOAD_MS);
    const runner = new FakeRunner(this, split);
    this.runners.push(runner);
    return runner;
  }
}

class FakeRunner {
  readonly split: Split;
  readonly parallelRuns: number;
  stops = 0;
  runs = 0;
  readonly #machine: FakeMachine;
  #running = 0;

  constructor(machine: FakeMachine, split: Split) {
    this.#machine = machine;
    this.split = split;
    this.parallelRuns = split.workers;
  }

  async run({ inputs: [x] }: RunRequest): Promise<RunResult> {
    expect(this.stops, "nothing runs on workers that were ended").toBe(0);
    expect(this.#running, "never more runs than workers").toBeLessThan(this.parallelRuns);
    const ms = this.#machine.runMs(x?.shape[0] ?? 0, this.split);
    this.#running += 1;
    this.runs += 1;
    await this.#machine.wait(ms + HOP_MS);
    this.#machine.cpuSeconds += (ms / 1000) * this.split.threadsPerWorker;
    this.#running -= 1;
    return { outputs: [tensorOf("y", x?.shape ?? [], numbersOf(x))], computeSeconds: ms / 1000, freed: [] };
  }

  async stop(): Promise<void> {
    this.stops += 1;
  }
}

interface Found {
  readonly calibration: Calibration;
  readonly machine: FakeMachine;
  readonly lines: ReturnType<typeof recordingLog>["lines"];
}

async function find(
  runMs: RunMs,
  options: Partial<CalibrationOptions<FakeRunner>> = {},
  metadata = METADATA,
): Promise<Found> {
  const machine = new FakeMachine(runMs);
  const { log, lines } = recordingLog();
  const all: CalibrationOptions<FakeRunner> = {
    usableThreads: 1,
    workers: undefined,
    threadsPerWorker: undefined,
    maxBatchSize: undefined,
    latencyBoundMs: 1000,
    budgetMs: 60_000,
    loadMs: LOAD_MS,
    maxWorkers: () => Infinity,
    open: (split) => machine.open(split),
    memoryBytes: () => 0,
    throttledPeriods: () => undefined,
    cpuSeconds: () => machine.cpuSeconds,
    clock: () => machine.nowMs,
    draw: Math.random,
    log,
    ...options,
  };
  const first = new FakeRunner(machine, firstSplit(all));
  machine.runners.push(first);
  const { calibration, runner } = await calibrate(metadata, all, first);
  expect(runner.split, "what runs is what was found").toMatchObject({
    workers: calibration.workers,
    threadsPerWorker: calibration.threadsPerWorker,
  });
  expect(machine.runners.filter(({ stops }) => stops === 0)).toEqual([runner]);
  return { calibration, machine, lines };
}

/** Run times by rows; a size that is not in the table is a mistake of the test. */
function table(times: Readonly<Record<number, number>>): RunMs {
  return (rows) => times[rows] ?? (rows === 3 ? 1 : Number.NaN);
}

describe("the batch size", () => {
  const CASES: Record<
    string,
    [times: Record<number, number>, Partial<CalibrationOptions<FakeRunner>>, expected: number]
  > = {
    "grows while rows per second do": [{ 1: 4, 2: 4.2, 4: 4.4, 8: 4.8, 16: 9.6, 32: 19.2 }, {}, 8],
    "goes over one step without a gain": [{ 1: 4, 2: 8, 4: 8, 8: 16, 16: 32 }, {}, 4],
    "but not over one that is much worse": [{ 1: 4, 2: 12 }, {}, 1],
    "is 1 where joining brings nothing": [{ 1: 4, 2: 8, 4: 16 }, {}, 1],
    "keeps runs within the longest that is allowed": [{ 1: 4, 2: 5, 4: 7, 8: 11 }, { latencyBoundMs: 10 }, 4],
    "ends at the user's limit": [{ 1: 4, 2: 4, 4: 4, 6: 4 }, { maxBatchSize: 6 }, 6],
    "ends at 128": [Object.fromEntries(Array.from({ length: 9 }, (_, step) => [2 ** step, 4])), {}, 128],
  };
  test.each(Object.entries(CASES))("%s", async (_name, [times, options, expected]) => {
    const { calibration } = await find(table(times), options);
    expect(calibration).toMatchObject({ batchable: true, maxBatchSize: expected, provisional: false });
    for (const { rows, seconds } of calibration.runTimes) {
      expect(seconds * 1000).toBeCloseTo(times[rows] ?? Number.NaN);
    }
  });

  test("1 as the user's limit: nothing is joined, so nothing need be proved", async () => {
    const { calibration, machine } = await find(table({ 1: 4 }), { maxBatchSize: 1 });
    expect(calibration).toMatchObject({ batchable: false, maxBatchSize: 1, runTimes: [{ rows: 1 }] });
    expect(machine.runners).toHaveLength(1);
  });

  test("a first dimension that does not vary: nothing is joined, and the log says why", async () => {
    const fixed = { ...METADATA, inputs: [{ name: "x", datatype: "FP32", shape: [1, 2] }] } as const;
    const { calibration, lines } = await find(table({ 1: 4 }), {}, fixed);
    expect(calibration).toMatchObject({ batchable: false, maxBatchSize: 1 });
    expect(lines).toContainEqual({
      level: "info",
      message: "requests are not joined",
      fields: { reason: 'the first dimension of "x" does not vary' },
    });
  });

  test("the best of all that were measured, within 5 %, whatever the times are", async () => {
    const times = fc.array(fc.double({ min: 0.5, max: 200, noNaN: true }), { minLength: 9, maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(times, fc.constantFrom(20, 1000), async (byStep, latencyBoundMs) => {
        const runMs = (rows: number) => byStep[Math.ceil(Math.log2(rows))] ?? Number.NaN;
        const { calibration } = await find(runMs, { latencyBoundMs });
        const { maxBatchSize, runTimes } = calibration;
        expect(runTimes.map(({ rows }) => rows)).toContain(maxBatchSize);
        expect(maxBatchSize === 1 || runMs(maxBatchSize) <= latencyBoundMs).toBe(true);
        const allowed = runTimes.filter(({ seconds }) => seconds * 1000 <= latencyBoundMs);
        for (const { rows } of allowed) {
          expect(rows / runMs(rows)).toBeLessThanOrEqual((1.05 * maxBatchSize) / runMs(maxBatchSize) + 1e-9);
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe("the split", () => {
  /** Milliseconds by the number of workers; nothing is gained by joining. */
  const byWorkers =
    (times: Readonly<Record<number, number>>): RunMs =>
    (rows, { workers }) =>
      (times[workers] ?? Number.NaN) * rows;

  const CASES: Record<string, [RunMs, Partial<CalibrationOptions<FakeRunner>>, expected: Split, tried: number]> = {
    "one copy on one CPU": [byWorkers({ 1: 4 }), {}, { workers: 1, threadsPerWorker: 1 }, 1],
    "more copies where they do more together": [
      byWorkers({ 1: 4, 2: 6, 4: 10 }),
      { usableThreads: 4 },
      { workers: 4, threadsPerWorker: 1 },
      3,
    ],
    "the best one in between": [
      byWorkers({ 1: 4, 2: 6, 4: 20 }),
      { usableThreads: 4 },
      { workers: 2, threadsPerWorker: 2 },
      3,
    ],
    "one copy where more are clearly slower": [
      byWorkers({ 1: 4, 2: 8.4 }),
      { usableThreads: 2 },
      { workers: 1, threadsPerWorker: 2 },
      2,
    ],
    "more copies where they are as good as one: their runs suffer less from what else needs CPU": [
      byWorkers({ 1: 4, 2: 8 }),
      { usableThreads: 2 },
      { workers: 2, threadsPerWorker: 1 },
      2,
    ],
    "CPUs that do not divide evenly are not overbooked": [
      byWorkers({ 1: 4, 2: 4 }),
      { usableThreads: 3 },
      { workers: 2, threadsPerWorker: 1 },
      2,
    ],
    "no more copies than memory allows": [
      byWorkers({ 1: 4, 2: 4, 4: 4 }),
      { usableThreads: 4, memoryBytes: () => 70, maxWorkers: (bytes) => 200 / bytes },
      { workers: 2, threadsPerWorker: 2 },
      2,
    ],
    "the user's workers": [
      byWorkers({ 1: 1, 2: 4, 4: 1 }),
      { usableThreads: 4, workers: 2 },
      { workers: 2, threadsPerWorker: 2 },
      1,
    ],
    "the user's threads": [
      byWorkers({ 1: 4, 2: 1, 4: 1 }),
      { usableThreads: 4, threadsPerWorker: 3 },
      { workers: 1, threadsPerWorker: 3 },
      1,
    ],
  };
  test.each(Object.entries(CASES))("%s", async (_name, [runMs, options, expected, tried]) => {
    const { calibration, machine } = await find(runMs, options);
    expect(calibration).toMatchObject(expected);
    expect(machine.runners).toHaveLength(tried);
    expect(calibration.provisional).toBe(false);
  });

  test.each([
    ["a fifth more rows per second is not worth two half-full batches", 1.2, 1],
    ["two fifths more are", 1.4, 2],
  ])("where requests are joined: %s", async (_name, gain, workers) => {
    const runMs: RunMs = (_rows, split) => (split.workers === 1 ? 4 : (2 * 4) / gain);
    const { calibration } = await find(runMs, { usableThreads: 2, maxBatchSize: 8 });
    expect(calibration).toMatchObject({ workers, maxBatchSize: 8 });
  });

  test("a copy that cannot be loaded is a load error", async () => {
    const fails = async () => {
      throw new LoadError("load", "WORKER_FAILED", "no memory");
    };
    await expect(find(byWorkers({ 1: 4 }), { usableThreads: 2, open: fails })).rejects.toThrow(LoadError);
  });
});

describe("figures", () => {
  test("rows per second of all workers together, CPU of a row, and the way to a worker and back", async () => {
    const runMs: RunMs = (rows, { workers }) => rows * (workers === 2 ? 10 : 9);
    const { calibration } = await find(runMs, { usableThreads: 4, maxWorkers: () => 2 });
    expect(calibration).toMatchObject({ workers: 2, threadsPerWorker: 2, maxBatchSize: 1 });
    expect(calibration.rowsPerSecond).toBeCloseTo(2 * (1000 / (10 + HOP_MS)), 1);
    expect(calibration.cpuSecondsPerRow).toBeCloseTo(0.02);
    expect(calibration.hopSeconds * 1000).toBeCloseTo(HOP_MS);
  });

  test("those of full batches where requests are joined", async () => {
    const { calibration } = await find(() => 8, { maxBatchSize: 16 });
    expect(calibration.rowsPerSecond).toBeCloseTo(16 * (1000 / (8 + HOP_MS)), 0);
    expect(calibration.cpuSecondsPerRow).toBeCloseTo(0.008 / 16);
  });
});

describe("the time for it", () => {
  test("ends: the best so far, marked as provisional", async () => {
    const { calibration, machine } = await find((rows) => 100 + rows, { usableThreads: 4, budgetMs: 2500 });
    expect(calibration).toMatchObject({ workers: 1, threadsPerWorker: 4, batchable: true, provisional: true });
    expect(calibration.maxBatchSize).toBeGreaterThan(1);
    expect(machine.runners).toHaveLength(1);
    expect(machine.nowMs).toBeLessThan(2 * 2500);
  });

  test("does not suffice for anything: one run each where three are usual", async () => {
    const { calibration } = await find(() => 1000, { usableThreads: 4, budgetMs: 1 });
    expect(calibration).toMatchObject({ workers: 1, threadsPerWorker: 4, maxBatchSize: 1, provisional: true });
    expect(calibration.runTimes).toEqual([{ rows: 1, seconds: 1 }]);
  });

  test("does not suffice for a second run: the first one counts, and what all workers do is computed of it", async () => {
    const { calibration, machine } = await find(() => 1000, { workers: 2, budgetMs: 1200 });
    expect(machine.runners.map(({ runs }) => runs)).toEqual([2]);
    expect(calibration).toMatchObject({ rowsPerSecond: 2, cpuSecondsPerRow: undefined, provisional: true });
  });

  test("is not spent on joining where a single row takes longer than a run may", async () => {
    const { calibration, machine } = await find(() => 120, { latencyBoundMs: 100 });
    expect(calibration).toMatchObject({ batchable: false, maxBatchSize: 1, provisional: false });
    // One for the warm-up, three for a single run, four for all workers.
    expect(machine.runners.map(({ runs }) => runs)).toEqual([8]);
  });

  test("is kept but for the first run and a short one, whatever the model", async () => {
    const anyMs = fc.integer({ min: 1, max: 3000 });
    await fc.assert(
      fc.asyncProperty(anyMs, anyMs, fc.integer({ min: 1, max: 6000 }), async (fixedMs, perRowMs, budgetMs) => {
        const runMs: RunMs = (rows) => fixedMs + rows * perRowMs;
        const { machine } = await find(runMs, { usableThreads: 4, budgetMs });
        const hopsMs = HOP_MS * machine.runners.reduce((sum, { runs }) => sum + runs, 0);
        expect(machine.nowMs).toBeLessThanOrEqual(Math.max(budgetMs, fixedMs + perRowMs) + 50 + hopsMs);
      }),
      { numRuns: 60 },
    );
  });

  test("none at all: nothing is measured, and requests are joined only as the user says", async () => {
    const untold = await find(() => 4, { usableThreads: 4, budgetMs: 0 });
    expect(untold.calibration).toMatchObject({ batchable: false, maxBatchSize: 1, runTimes: [], provisional: true });
    const told = await find(() => 4, { usableThreads: 4, budgetMs: 0, maxBatchSize: 8 });
    expect(told.calibration).toMatchObject({ batchable: true, maxBatchSize: 8, runTimes: [], provisional: true });
  });
});

describe("samples", () => {
  const wide = { ...METADATA, inputs: [{ name: "x", datatype: "FP32", shape: [-1, -1] }] } as const;

  test("the first shape that the model takes", async () => {
    const { calibration } = await find(() => 4, { maxBatchSize: 2 }, wide);
    expect(calibration.shapes).toEqual([[1, 1]]);
  });

  test("none that the model takes: nothing is measured, it runs all the same, and the log says so", async () => {
    const picky: RunMs = () => {
      throw new Error("not this size");
    };
    const { calibration, lines } = await find(picky, { usableThreads: 2 }, wide);
    expect(calibration).toEqual({
      workers: 1,
      threadsPerWorker: 2,
      shapes: undefined,
      batchable: false,
      maxBatchSize: 1,
      runTimes: [],
      rowsPerSecond: undefined,
      cpuSecondsPerRow: undefined,
      hopSeconds: 0,
      provisional: true,
    });
    expect(lines.filter(({ level }) => level === "warn")).toEqual([
      expect.objectContaining({ fields: { reason: "not this size" } }),
    ]);
  });
});

test("warm-up: one run on each worker", async () => {
  const machine = new FakeMachine(() => 4);
  const runner = await machine.open({ workers: 3, threadsPerWorker: 1 });
  await warmUp(METADATA, [[1, 2]], runner, Math.random);
  expect(runner.runs).toBe(3);
});

describe("the first split", () => {
  test.each<[string, Parameters<typeof firstSplit>[0], Split]>([
    [
      "one copy on all threads",
      { usableThreads: 4, workers: undefined, threadsPerWorker: undefined },
      { workers: 1, threadsPerWorker: 4 },
    ],
    [
      "the CPUs are shared among the workers",
      { usableThreads: 5, workers: 2, threadsPerWorker: undefined },
      { workers: 2, threadsPerWorker: 2 },
    ],
    [
      "at least one thread each",
      { usableThreads: 4, workers: 16, threadsPerWorker: undefined },
      { workers: 16, threadsPerWorker: 1 },
    ],
    ["as given", { usableThreads: 4, workers: 2, threadsPerWorker: 7 }, { workers: 2, threadsPerWorker: 7 }],
  ])("%s", (_name, options, expected) => {
    expect(firstSplit(options)).toEqual(expected);
  });
});
