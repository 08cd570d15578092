// The queue's promises: dedup, order, never one key twice at once, back-off, due times, draining; and that nothing is ever lost.

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "./testing.ts";
import { WorkQueue, type WorkQueueOptions } from "./work-queue.ts";

let clock: ManualClock;

beforeEach(() => {
  clock = new ManualClock();
});

function makeQueue(options: WorkQueueOptions = {}): WorkQueue {
  // With 1 the jitter takes nothing away.
  return new WorkQueue({ clock, random: () => 1, ...options });
}

async function takeAll(queue: WorkQueue): Promise<string[]> {
  const keys: string[] = [];
  while (queue.depth > 0) keys.push((await queue.get())!);
  return keys;
}

describe("adding and taking", () => {
  test("keys come in the order in which they were added, each once", async () => {
    const queue = makeQueue();
    for (const key of ["b", "a", "b", "c", "a"]) queue.add(key);
    expect(queue.depth).toBe(3);
    expect(await takeAll(queue)).toEqual(["b", "a", "c"]);
  });

  test("a worker that waits gets the next key at once", async () => {
    const queue = makeQueue();
    const first = queue.get();
    const second = queue.get();
    queue.add("a");
    queue.add("b");
    expect(await Promise.all([first, second])).toEqual(["a", "b"]);
  });

  test("a key added while it is processed comes again after done, once, and not before", async () => {
    const queue = makeQueue();
    queue.add("a");
    await queue.get();
    queue.add("a");
    queue.add("a");
    expect(queue.depth).toBe(0);
    queue.done("a");
    expect(await takeAll(queue)).toEqual(["a"]);
    queue.done("a");
    expect(queue.depth).toBe(0);
  });

  test("done without get is a mistake in the program", () => {
    expect(() => makeQueue().done("a")).toThrow("done without get: a");
  });
});

describe("urgent keys", () => {
  const urgent = new Set<string>();
  const makeUrgentQueue = () => makeQueue({ isUrgent: (key) => urgent.has(key) });
  beforeEach(() => urgent.clear());

  test("go before those that came earlier, and among each other in order", async () => {
    const queue = makeUrgentQueue();
    urgent.add("x").add("y");
    for (const key of ["a", "x", "b", "y"]) queue.add(key);
    expect(await takeAll(queue)).toEqual(["x", "y", "a", "b"]);
  });

  test("a key that waits is raised when it is added again and has become urgent, and comes once", async () => {
    const queue = makeUrgentQueue();
    for (const key of ["a", "b", "c"]) queue.add(key);
    urgent.add("c");
    expect(queue.depth).toBe(3);
    queue.add("c");
    expect(queue.depth).toBe(3);
    expect(await takeAll(queue)).toEqual(["c", "a", "b"]);
  });

  test("a key that becomes urgent while it is processed is urgent when it comes again", async () => {
    const queue = makeUrgentQueue();
    queue.add("a");
    await queue.get();
    queue.add("b");
    urgent.add("a");
    queue.add("a");
    queue.done("a");
    expect(await takeAll(queue)).toEqual(["a", "b"]);
  });

  test("however many there are, the others have every fifth turn", async () => {
    const queue = makeUrgentQueue();
    const many = Array.from({ length: 10 }, (_, index) => `urgent-${index}`);
    for (const key of many) urgent.add(key);
    for (const key of ["a", ...many, "b"]) queue.add(key);
    const taken = await takeAll(queue);
    expect([taken.indexOf("a"), taken.indexOf("b")]).toEqual([4, 9]);
    expect(taken.toSorted()).toEqual(["a", "b", ...many].toSorted());
  });

  test("in any mixture an urgent key waits for no more than its share, and nobody for ever", async () => {
    const additions = fc.uniqueArray(fc.record({ key: fc.string(), isUrgent: fc.boolean() }), {
      selector: ({ key }) => key,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(additions, async (added) => {
        const queue = makeUrgentQueue();
        urgent.clear();
        for (const { key, isUrgent } of added) if (isUrgent) urgent.add(key);
        for (const { key } of added) queue.add(key);
        const taken = await takeAll(queue);
        expect(taken.toSorted()).toEqual(added.map(({ key }) => key).toSorted());
        const inOrder = (wanted: boolean) => added.filter(({ isUrgent }) => isUrgent === wanted).map(({ key }) => key);
        expect(taken.filter((key) => urgent.has(key))).toEqual(inOrder(true));
        expect(taken.filter((key) => !urgent.has(key))).toEqual(inOrder(false));
        for (const [rank, key] of inOrder(true).entries()) {
          expect(taken.indexOf(key)).toBeLessThanOrEqual(rank + Math.floor(rank / 4));
        }
        for (const [rank, key] of inOrder(false).entries()) {
          expect(taken.indexOf(key)).toBeLessThanOrEqual(rank + 4 * (rank + 1));
        }
      }),
    );
  });
});

describe("delays", () => {
  test("a delayed key comes when it is due", async () => {
    const queue = makeQueue();
    queue.addAfter("a", 1000);
    clock.advance(999);
    expect(queue.depth).toBe(0);
    clock.advance(1);
    expect(await takeAll(queue)).toEqual(["a"]);
  });

  test.each([
    { first: 1000, second: 300, due: 300 },
    { first: 300, second: 1000, due: 300 },
  ])("of $first ms and $second ms the earlier counts, once", ({ first, second, due }) => {
    const queue = makeQueue();
    queue.addAfter("a", first);
    queue.addAfter("a", second);
    expect(clock.timersMs).toEqual([due]);
  });

  test.each([0, -5, Number.NaN])("a delay of %d ms is none", (delayMs) => {
    const queue = makeQueue();
    queue.addAfter("a", delayMs);
    expect(queue.depth).toBe(1);
  });

  test("a delay of a year does not come at once", () => {
    const queue = makeQueue();
    queue.addAfter("a", 365 * 86_400_000);
    expect(queue.depth).toBe(0);
    expect(queue.delayed).toBe(1);
  });

  test("failures double the delay up to the cap, and forget starts anew", () => {
    const queue = makeQueue({ baseDelayMs: 5, maxDelayMs: 100 });
    const delays = [1, 2, 3, 4, 5, 6, 7].map(() => {
      queue.addRateLimited("a");
      const [delayMs] = clock.timersMs;
      clock.advance(delayMs!);
      return delayMs;
    });
    expect(delays).toEqual([5, 10, 20, 40, 80, 100, 100]);
    expect(queue.retries("a")).toBe(7);
    queue.forget("a");
    queue.addRateLimited("b");
    expect(queue.retries("a")).toBe(0);
    expect(clock.timersMs).toEqual([5]);
  });

  test("jitter takes up to half of the delay, and ten thousand failures are no overflow", () => {
    const queue = makeQueue({ random: () => 0 });
    for (let i = 0; i < 10_000; i += 1) {
      queue.addRateLimited("a");
      clock.advance(60_000);
    }
    queue.addRateLimited("a");
    expect(clock.timersMs).toEqual([30_000]);
  });
});

describe("shutting down", () => {
  test("waits for what is processed, drops what waits, and sends the workers home", async () => {
    const queue = makeQueue();
    for (const key of ["a", "b"]) queue.add(key);
    queue.addAfter("c", 1000);
    await queue.get();
    let drained = false;
    const end = queue.shutDown().then(() => {
      drained = true;
      return undefined;
    });
    queue.add("d");
    queue.addAfter("e", 10);
    queue.addRateLimited("a");
    expect(await queue.get()).toBeUndefined();
    expect(drained).toBe(false);
    queue.done("a");
    await end;
    expect([queue.depth, queue.delayed, clock.timersMs.length]).toEqual([0, 0, 0]);
  });

  test("ends a worker that waits, and an idle queue at once", async () => {
    const queue = makeQueue();
    const waiting = queue.get();
    await queue.shutDown();
    expect(await waiting).toBeUndefined();
  });
});

describe("whatever happens in whatever order", () => {
  const keys = fc.constantFrom("a", "b", "c");
  const steps = fc.array(
    fc.oneof(
      fc.record({ act: fc.constant("add" as const), key: keys }),
      fc.record({ act: fc.constant("after" as const), key: keys, ms: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ act: fc.constant("fail" as const), key: keys }),
      fc.record({ act: fc.constant("take" as const) }),
      fc.record({ act: fc.constant("done" as const) }),
      fc.record({ act: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 80 }) }),
    ),
    { maxLength: 60 },
  );

  test("no key is on two workers, and each request for a key is followed by a take of it", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        clock = new ManualClock();
        const queue = makeQueue({ isUrgent: (key) => key === "b" });
        const working: string[] = [];
        /** Keys asked for and not taken since. */
        const owed = new Set<string>();
        const take = async (): Promise<void> => {
          const key = (await queue.get())!;
          expect(working).not.toContain(key);
          working.push(key);
          owed.delete(key);
        };
        for (const step of script) {
          if (step.act === "add") queue.add(step.key);
          if (step.act === "after") queue.addAfter(step.key, step.ms);
          if (step.act === "fail") queue.addRateLimited(step.key);
          if ("key" in step) owed.add(step.key);
          if (step.act === "take" && queue.depth > 0) await take();
          if (step.act === "done" && working.length > 0) queue.done(working.shift()!);
          if (step.act === "pass") clock.advance(step.ms);
        }
        // At rest: time passes, workers finish and take on.
        for (let i = 0; i < 10; i += 1) {
          clock.advance(120_000);
          while (queue.depth > 0) await take();
          for (const key of working.splice(0)) queue.done(key);
        }
        expect([...owed]).toEqual([]);
        expect([queue.depth, queue.delayed]).toEqual([0, 0]);
      }),
      { numRuns: 500 },
    );
  });
});
