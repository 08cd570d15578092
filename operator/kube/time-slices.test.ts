// Work that needs no I/O, and whether anything else gets its turn meanwhile.

import { expect, test } from "vitest";
import { ManualClock } from "./testing.ts";
import { TimeSlices } from "./time-slices.ts";

/** Steps of 5 ms on so many workers; returns how many steps were done whenever the event loop came round. */
async function turnsSeen(workers: number, stepsEach: number): Promise<number[]> {
  const clock = new ManualClock();
  const slices = new TimeSlices({ clock, sliceMs: 20 });
  const seen: number[] = [];
  let steps = 0;
  let over = false;
  const look = () => {
    if (over) return;
    seen.push(steps);
    setImmediate(look);
  };
  setImmediate(look);
  const work = async () => {
    for (let step = 0; step < stepsEach; step += 1) {
      clock.advance(5);
      steps += 1;
      await slices.pause();
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  over = true;
  return seen;
}

test.each([1, 3])(
  "with %i workers nothing waits for longer than a slice and the steps that were begun",
  async (workers) => {
    const seen = await turnsSeen(workers, 40);
    const between = seen.map((steps, index) => steps - (seen[index - 1] ?? 0));
    expect(Math.max(...between)).toBeLessThanOrEqual(4 + workers);
    expect(seen.length).toBeGreaterThanOrEqual((40 * workers) / (4 + workers) - 1);
  },
);

test("while the slice lasts nothing is waited for", async () => {
  const slices = new TimeSlices({ clock: new ManualClock() });
  let came = false;
  setImmediate(() => {
    came = true;
  });
  for (let step = 0; step < 1000; step += 1) await slices.pause();
  expect(came).toBe(false);
});

test("a slice begins anew after the turn", async () => {
  const clock = new ManualClock();
  const slices = new TimeSlices({ clock, sliceMs: 20 });
  clock.advance(20);
  await slices.pause();
  let came = false;
  setImmediate(() => {
    came = true;
  });
  clock.advance(19);
  await slices.pause();
  expect(came).toBe(false);
  clock.advance(1);
  await slices.pause();
  expect(came).toBe(true);
});
