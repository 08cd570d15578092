// The loop's pace, and that nothing but the abort signal ends it. Time stands still except for sleeps and ticks.

import { describe, expect, test } from "vitest";
import { createLogger } from "../observability/logger.ts";
import { runLoop } from "./loop.ts";

/** Runs ticks that take `durationsMs` each, then aborts. Returns when each tick began, what was slept, and what was logged. */
async function run(durationsMs: readonly number[], tick: (nth: number) => void = () => undefined) {
  const aborting = new AbortController();
  const beganMs: number[] = [];
  const sleptMs: number[] = [];
  const logged: { msg: string; err: { message: string } }[] = [];
  let nowMs = 0;
  await runLoop(
    {
      intervalMs: 2000,
      now: () => nowMs,
      sleep: async (ms) => {
        sleptMs.push(ms);
        nowMs += ms;
      },
      tick: async (signal) => {
        expect(signal).toBe(aborting.signal);
        const nth = beganMs.push(nowMs) - 1;
        nowMs += durationsMs[nth] ?? 0;
        if (nth === durationsMs.length - 1) aborting.abort();
        tick(nth);
      },
      logger: createLogger("debug", { write: (line) => void logged.push(JSON.parse(line)) }),
    },
    aborting.signal,
  );
  return { beganMs, sleptMs, logged };
}

describe("the pace", () => {
  test.each([
    ["is steady whatever a tick takes", [0, 500, 1999, 0], [0, 2000, 4000, 6000]],
    ["goes on at once after a tick that took the whole interval", [2000, 0], [0, 2000]],
    ["goes on at once after a tick that took longer, and does not catch up", [5000, 0, 0], [0, 5000, 7000]],
  ])("%s", async (_sentence, durationsMs, expectedMs) => {
    const { beganMs, sleptMs } = await run(durationsMs);
    expect(beganMs).toEqual(expectedMs);
    expect(sleptMs.every((ms) => ms >= 0)).toBe(true);
  });
});

test("a tick that fails is logged, and the next one comes at its time", async () => {
  const { beganMs, logged } = await run([100, 100, 100], (nth) => {
    if (nth === 0) throw new Error("out of luck");
  });
  expect(beganMs).toEqual([0, 2000, 4000]);
  expect(logged).toMatchObject([{ msg: "autoscaler tick failed", err: { message: "out of luck" } }]);
});

test("a tick that fails because the loop is to stop is no failure", async () => {
  const { beganMs, logged } = await run([0], () => {
    throw new Error("aborted");
  });
  expect(beganMs).toEqual([0]);
  expect(logged).toEqual([]);
});

test("a loop that is to stop before it began makes no tick", async () => {
  const never = () => Promise.reject(new Error("must not be called"));
  const options = { tick: never, sleep: never, intervalMs: 1, now: () => 0, logger: createLogger("error") };
  await expect(runLoop(options, AbortSignal.abort())).resolves.toBeUndefined();
});
