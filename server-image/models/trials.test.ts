// What runs are said to take, by a clock that runs only with them.

import { describe, expect, test } from "vitest";

import { randomInputs } from "./sample-inputs.ts";
import { numbersOf } from "./test-runner.ts";
import { type TrialOptions, type TrialRunner, Trials, throughputTrialSeconds } from "./trials.ts";

const METADATA = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
} as const;
const SHAPES = [[1, 2]];
const HOP_MS = 0.5;

/** Runs take these milliseconds in turn, the last one again and again, and as much CPU. */
function makeTrials(runsMs: readonly number[], options: Partial<TrialOptions> & { readonly workers?: number } = {}) {
  let nowMs = 1000;
  let runs = 0;
  const runner: TrialRunner = {
    parallelRuns: options.workers ?? 1,
    run: async () => {
      const ms = runsMs[Math.min(runs, runsMs.length - 1)] ?? 0;
      runs += 1;
      // Workers run beside each other.
      nowMs += (ms + HOP_MS) / runner.parallelRuns;
      return { outputs: [], computeSeconds: ms / 1000, freed: [] };
    },
    stop: async () => undefined,
  };
  const trials = new Trials(METADATA, {
    budgetMs: 10_000,
    cpuSeconds: () => runs * 0.25,
    throttledPeriods: () => undefined,
    clock: () => nowMs,
    draw: Math.random,
    ...options,
  });
  return { trials, runner, runs: () => runs, pass: (ms: number) => (nowMs += ms) };
}

describe("a single run", () => {
  const CASES: Record<string, [runsMs: number[], budgetMs: number, expected: { seconds: number; runs: number }]> = {
    "the fastest counts": [[30, 20, 25, 30], 10_000, { seconds: 0.02, runs: 3 }],
    "slow ones are tried three times": [[500], 10_000, { seconds: 0.5, runs: 3 }],
    "fast ones until they have taken 60 ms": [[9.5], 10_000, { seconds: 0.0095, runs: 6 }],
    "very fast ones 24 times": [[0.1], 10_000, { seconds: 0.0001, runs: 24 }],
    "no more of them than the time allows": [[400], 1000, { seconds: 0.4, runs: 2 }],
    "but always one": [[400], 100, { seconds: 0.4, runs: 1 }],
  };
  test.each(Object.entries(CASES))("%s", async (_name, [runsMs, budgetMs, expected]) => {
    const { trials, runner, runs } = makeTrials(runsMs, { budgetMs });
    const { seconds, hopSeconds } = await trials.measure(runner, SHAPES, 1);
    expect({ seconds, runs: runs() }).toEqual(expected);
    expect(hopSeconds).toBeCloseTo(HOP_MS / 1000);
    expect(trials.provisional).toBe(expected.runs < 3);
  });
});

describe("all workers", () => {
  test("rows and CPU by the second, over a quarter of one, the first round aside", async () => {
    const { trials, runner, runs } = makeTrials([1000, 1000, 49.5], { workers: 2 });
    const { rowsPerSecond, cpuSecondsPerRow, throttled } = await trials.measureAll(runner, SHAPES, 8);
    expect(runs()).toBe(2 + 2 * 3);
    expect(rowsPerSecond).toBeCloseTo((2 * 8) / 0.05);
    expect(cpuSecondsPerRow).toBeCloseTo(0.25 / 8);
    expect(throttled).toBe(false);
  });

  test.each([5000, 100, 1])("with runs of %d ms it takes about as long as was said", async (ms) => {
    let nowMs = 0;
    const { trials, runner } = makeTrials([ms], { clock: () => nowMs });
    const run: TrialRunner["run"] = (request) => {
      nowMs += ms;
      return runner.run(request);
    };
    await trials.measureAll({ ...runner, run }, SHAPES, 1);
    // Fast ones are not run that often.
    expect(nowMs / 1000).toBeLessThanOrEqual(throughputTrialSeconds(ms / 1000) + ms / 1000);
    expect(nowMs / 1000).toBeGreaterThan(ms === 1 ? 0 : throughputTrialSeconds(ms / 1000) * 0.95);
  });

  test.each([
    ["is told where the CPU limit stopped the process meanwhile", [7, 9], true],
    ["is not where it did so before only", [7, 7], false],
  ])("throttling %s", async (_name, readings, expected) => {
    const left = [...readings];
    const { trials, runner } = makeTrials([100], { throttledPeriods: () => left.shift() });
    expect(await trials.measureAll(runner, SHAPES, 1)).toMatchObject({ throttled: expected });
  });
});

describe("the deadline", () => {
  test("what would end beyond it is too long, and leaves the result provisional", () => {
    const { trials, pass } = makeTrials([1], { budgetMs: 1000 });
    pass(400);
    expect(trials.isTooLong(0.6)).toBe(false);
    expect(trials.provisional).toBe(false);
    expect(trials.isTooLong(0.601)).toBe(true);
    expect(trials.provisional).toBe(true);
  });
});

test("samples are drawn once for each number of rows, and each has memory of its own", () => {
  let draws = 0;
  const draw = () => {
    draws += 1;
    return draws / 1000;
  };
  const { trials } = makeTrials([1], { draw });
  const [first, second, third] = [2, 2, 3].map((rows) => trials.sample(SHAPES, rows)[0]);
  expect(numbersOf(first)).toEqual(numbersOf(second));
  expect(first?.data).not.toBe(second?.data);
  expect(third?.shape).toEqual([3, 2]);
  const before = draws;
  randomInputs(METADATA.inputs, [[5, 2]], draw);
  expect(before).toBe(draws - before);
});
