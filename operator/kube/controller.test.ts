// The loop's contract: what each outcome of a reconcile leads to, waiting for sync, time limits, draining, figures.

import { beforeEach, describe, expect, test } from "vitest";
import { Controller, type ControllerOptions, type Reconcile } from "./controller.ts";
import { ApiError, ConflictError, TerminalError } from "./errors.ts";
import type { MetricSink } from "./metrics.ts";
import { ManualClock, silentLogger, until } from "./testing.ts";

let clock: ManualClock;
let figures: Map<string, number>;
let calls: string[];
const tracked = new Map<string, () => number>();

const labelled = (name: string, labels: object): string => [name, ...Object.values(labels)].join(" ");
const metrics: MetricSink = {
  count: (name, labels, by) => figures.set(labelled(name, labels), (figures.get(labelled(name, labels)) ?? 0) + by),
  set: (name, labels, value) => figures.set(labelled(name, labels), value),
  track: (name, labels, read) => tracked.set(labelled(name, labels), read),
  observe: (name, labels, value) => figures.set(labelled(name, labels), value),
};

beforeEach(() => {
  clock = new ManualClock();
  figures = new Map();
  calls = [];
});

interface Running {
  readonly controller: Controller;
  readonly stop: AbortController;
  readonly end: Promise<void>;
}

function start(reconcile: Reconcile, options: Partial<ControllerOptions> = {}): Running {
  const controller = new Controller({
    name: "things",
    reconcile: (key, signal, context) => {
      calls.push(key);
      return reconcile(key, signal, context);
    },
    sources: [],
    logger: silentLogger,
    metrics,
    clock,
    queue: { random: () => 1 },
    ...options,
  });
  const stop = new AbortController();
  return { controller, stop, end: controller.run(stop.signal) };
}

async function finish({ stop, end }: Running): Promise<void> {
  stop.abort();
  await end;
}

/** Timers of the queue; those of reconciles in progress are longer. */
const dueMs = (): number[] => clock.timersMs.filter((ms) => ms < 60_000);

describe("after a reconcile", () => {
  const conflict = (reason: string): ApiError => new ApiError("apply Thing", 409, { reason });
  test.each([
    { outcome: "success", act: async () => undefined, result: "success", againAfterMs: [] },
    {
      outcome: "a wish to come back in 7 s",
      act: async () => ({ requeueAfterSeconds: 7 }),
      result: "requeue_after",
      againAfterMs: [7000],
    },
    { outcome: "an error", act: async () => Promise.reject(new Error("no")), result: "error", againAfterMs: [5] },
    {
      outcome: "something thrown that is no error",
      act: async () => Promise.reject("no"),
      result: "error",
      againAfterMs: [5],
    },
    {
      outcome: "an error thrown before the first await",
      act: () => {
        throw new Error("no");
      },
      result: "error",
      againAfterMs: [5],
    },
    {
      outcome: "a conflict",
      act: async () => Promise.reject(new ConflictError("behind")),
      result: "requeue",
      againAfterMs: [5],
    },
    {
      outcome: "409 Conflict of the API server",
      act: async () => Promise.reject(conflict("Conflict")),
      result: "requeue",
      againAfterMs: [5],
    },
    {
      outcome: "409 AlreadyExists",
      act: async () => Promise.reject(conflict("AlreadyExists")),
      result: "requeue",
      againAfterMs: [5],
    },
    {
      outcome: "an error that no retry cures",
      act: async () => Promise.reject(new TerminalError("never")),
      result: "error",
      terminal: 1,
      againAfterMs: [],
    },
  ])(
    "with $outcome: counted as $result, again after $againAfterMs ms",
    async ({ act, result, terminal = 0, againAfterMs }) => {
      const running = start(act);
      running.controller.enqueue("ns/a");
      await until(() => figures.get(`controller_runtime_reconcile_total things ${result}`) === 1, result);
      expect(dueMs()).toEqual(againAfterMs);
      const errors = result === "error" ? 1 : 0;
      expect(figures.get("controller_runtime_reconcile_errors_total things")).toBe(errors);
      expect(figures.get("controller_runtime_terminal_reconcile_errors_total things")).toBe(terminal);
      expect(figures.get("workqueue_retries_total things")).toBe(againAfterMs[0] === 5 ? 1 : 0);
      await finish(running);
      expect(clock.timersMs).toEqual([]);
    },
  );

  test("errors in a row come ever later, and a success starts anew", async () => {
    let failing = true;
    const running = start(async () => {
      if (failing) throw new Error("no");
    });
    running.controller.enqueue("a");
    for (const ms of [5, 10, 20]) {
      await until(() => dueMs().length === 1, "the next try");
      expect(dueMs()).toEqual([ms]);
      if (ms === 20) failing = false;
      clock.advance(ms);
    }
    await until(
      () => calls.length === 4 && figures.get("controller_runtime_active_workers things") === 0,
      "the success",
    );
    failing = true;
    running.controller.enqueue("a");
    await until(() => dueMs().length === 1, "the next try");
    expect(dueMs()).toEqual([5]);
    await finish(running);
  });

  test("what runs is seen while it runs, and what hangs as the longest", async () => {
    const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const running = start(async (key) => ends[Number(key)]?.promise);
    running.controller.enqueue("0");
    await until(() => calls.length === 1, "the first runs");
    clock.advance(3_000);
    running.controller.enqueue("1");
    await until(() => calls.length === 2, "the second runs");
    clock.advance(1_000);
    expect(tracked.get("workqueue_longest_running_processor_seconds things")?.()).toBe(4);
    expect(tracked.get("workqueue_unfinished_work_seconds things")?.()).toBe(5);
    expect(running.controller.longestRunningSeconds).toBe(4);
    for (const { resolve } of ends) resolve();
    await until(() => figures.get("controller_runtime_active_workers things") === 0, "both have ended");
    expect(tracked.get("workqueue_longest_running_processor_seconds things")?.()).toBe(0);
    await finish(running);
  });

  test("every series exists before anything happens", () => {
    start(async () => undefined, { workers: 3 });
    const zero = ["success", "requeue_after", "requeue", "error"].map(
      (result) => `controller_runtime_reconcile_total things ${result}`,
    );
    for (const series of [...zero, "controller_runtime_reconcile_errors_total things", "workqueue_depth things"])
      expect(figures.get(series)).toBe(0);
    expect(figures.get("controller_runtime_max_concurrent_reconciles things")).toBe(3);
  });
});

describe("workers", () => {
  test("begin when every source is complete, with what was asked for before", async () => {
    const sync = Promise.withResolvers<void>();
    const running = start(async () => undefined, {
      sources: [{ synced: Promise.resolve() }, { synced: sync.promise }],
    });
    running.controller.enqueue("a");
    await new Promise(setImmediate);
    expect(calls).toEqual([]);
    sync.resolve();
    await until(() => calls.length === 1, "the reconcile");
    await finish(running);
  });

  test("let others have their turn, although nothing they do waits", async () => {
    const running = start(async () => clock.advance(5));
    const doneAtTurn: number[] = [];
    const look = () => {
      doneAtTurn.push(calls.length);
      if (calls.length < 200) setImmediate(look);
    };
    setImmediate(look);
    for (let index = 0; index < 200; index += 1) running.controller.enqueue(`key-${index}`);
    await until(() => doneAtTurn.at(-1) === 200, "all reconciles");
    const between = doneAtTurn.map((done, index) => done - (doneAtTurn[index - 1] ?? 0));
    expect(Math.max(...between)).toBeLessThan(20);
    await finish(running);
  });

  test("work side by side, but never twice on one key", async () => {
    const gates = new Map<string, () => void>();
    const running = start((key) => new Promise((resolve) => gates.set(key, () => resolve(undefined))), { workers: 3 });
    for (const key of ["a", "b", "c", "d"]) running.controller.enqueue(key);
    await until(() => calls.length === 3, "three reconciles");
    running.controller.enqueue("a");
    expect(figures.get("controller_runtime_active_workers things")).toBe(3);
    gates.get("b")?.();
    await until(() => calls.length === 4, "the fourth");
    expect(calls).toEqual(["a", "b", "c", "d"]);
    gates.get("a")?.();
    await until(() => calls.length === 5, "the repeated one");
    expect(calls[4]).toBe("a");
    for (const open of gates.values()) open();
    await finish(running);
  });

  test("name the reconcile in every line of its log", async () => {
    const fields: object[] = [];
    const logger = { ...silentLogger, child: (more: object) => (fields.push(more), logger) };
    const ids: string[] = [];
    const running = start(
      async (_key, _signal, { reconcileId }) => {
        ids.push(reconcileId);
      },
      { logger, randomId: () => "id-1" },
    );
    running.controller.enqueue("ns/a");
    await until(() => ids.length === 1, "the reconcile");
    expect(fields).toEqual([{ controller: "things" }, { namespace: "ns", name: "a", reconcileId: "id-1" }]);
    expect(ids).toEqual(["id-1"]);
    await finish(running);
  });
});

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));

describe("ending", () => {
  test("a reconcile that takes too long is told to stop and counts as an error", async () => {
    const running = start((_key, signal) => untilAborted(signal), { reconcileTimeoutSeconds: 100 });
    running.controller.enqueue("a");
    await until(() => clock.timersMs.includes(100_000), "the time limit");
    clock.advance(100_000);
    await until(() => figures.get("controller_runtime_reconcile_total things error") === 1, "the error");
    expect(figures.get("controller_runtime_reconcile_timeouts_total things")).toBe(1);
    await finish(running);
  });

  test("reconciles in progress end in peace, waiting ones are left to the next start", async () => {
    const gate = Promise.withResolvers<undefined>();
    const running = start(() => gate.promise, { workers: 1 });
    running.controller.enqueue("a");
    running.controller.enqueue("b");
    await until(() => calls.length === 1, "the reconcile");
    running.stop.abort();
    gate.resolve(undefined);
    await running.end;
    expect(calls).toEqual(["a"]);
    expect(figures.get("controller_runtime_reconcile_total things success")).toBe(1);
    expect(clock.timersMs).toEqual([]);
  });

  test("one that does not end in time is aborted, and that is no failure", async () => {
    const running = start((_key, signal) => untilAborted(signal), { drainSeconds: 2 });
    running.controller.enqueue("a");
    await until(() => calls.length === 1, "the reconcile");
    running.stop.abort();
    await until(() => clock.timersMs.includes(2000), "the patience");
    clock.advance(2000);
    await running.end;
    expect(figures.get("controller_runtime_reconcile_total things error")).toBe(0);
  });

  test("stopped before it was synced, it ends without a reconcile", async () => {
    const running = start(async () => undefined, { sources: [{ synced: new Promise<void>(() => undefined) }] });
    running.controller.enqueue("a");
    await finish(running);
    expect(calls).toEqual([]);
  });
});
