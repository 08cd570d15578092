// The queue: order, bound, waiting time, clients that leave, and that every request ends exactly once.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { Batcher, type BatcherOptions } from "./batcher.ts";
import type { RunRequest, RunResult } from "./worker-handle.ts";

/** Workers whose runs end when the test says so. */
class ManualRunner {
  readonly running: { request: RunRequest; done: PromiseWithResolvers<RunResult> }[] = [];
  readonly #workers: number;

  constructor(workers: number) {
    this.#workers = workers;
  }

  get idleCount(): number {
    return this.#workers - this.running.length;
  }

  async run(request: RunRequest): Promise<RunResult> {
    const entry = { request, done: Promise.withResolvers<RunResult>() };
    this.running.push(entry);
    return entry.done.promise;
  }

  /** Ends the oldest run; the caller tells the batcher. */
  finish(error?: Error): void {
    const entry = this.running.shift();
    if (error === undefined) {
      entry?.done.resolve({ outputs: [], computeSeconds: 0.25 });
    } else {
      entry?.done.reject(error);
    }
  }
}

function setUp(workers: number, options: Partial<BatcherOptions> = {}) {
  const runner = new ManualRunner(workers);
  const runs: { rows: number; queueSeconds: number; computeSeconds: number }[] = [];
  const clock = { nowMs: 0 };
  const batcher = new Batcher(runner, {
    maxQueueLength: 10,
    requestTimeoutMs: 60_000,
    observer: { observeRun: (run) => runs.push(run) },
    clock: () => clock.nowMs,
    ...options,
  });
  return { runner, batcher, runs, clock };
}

const NEVER = new AbortController().signal;

function asking(name: string): RunRequest {
  return { inputs: [], outputNames: [name] };
}

test("requests run in the order of arrival", async () => {
  const { runner, batcher } = setUp(1);
  const answers = ["a", "b", "c"].map((name) => batcher.infer(asking(name), 1, NEVER));
  const order: (string | undefined)[] = [];
  while (runner.running.length > 0) {
    order.push(runner.running[0]?.request.outputNames[0]);
    runner.finish();
    batcher.dispatch();
  }
  await Promise.all(answers);
  expect(order).toEqual(["a", "b", "c"]);
});

test("a full queue rejects at once and takes requests again when there is room", async () => {
  const { runner, batcher } = setUp(1, { maxQueueLength: 1 });
  const running = batcher.infer(asking("running"), 1, NEVER);
  const waiting = batcher.infer(asking("waiting"), 1, NEVER);
  expect(batcher.isFull).toBe(true);
  await expect(batcher.infer(asking("too many"), 1, NEVER)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  runner.finish();
  batcher.dispatch();
  expect(batcher.isFull).toBe(false);
  runner.finish();
  await Promise.all([running, waiting]);
});

test("no queue at all still uses idle workers", async () => {
  const { runner, batcher } = setUp(1, { maxQueueLength: 0 });
  const answer = batcher.infer(asking("a"), 1, NEVER);
  runner.finish();
  await expect(answer).resolves.toMatchObject({ computeSeconds: 0.25 });
});

test("a client that leaves while waiting is never run", async () => {
  const { runner, batcher } = setUp(1);
  const running = batcher.infer(asking("running"), 1, NEVER);
  const client = new AbortController();
  const left = batcher.infer(asking("left"), 1, client.signal);
  expect(batcher.queueDepth).toBe(1);
  client.abort();
  await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
  expect(batcher.queueDepth).toBe(0);
  runner.finish();
  batcher.dispatch();
  await running;
  expect(runner.running).toHaveLength(0);
});

test("a client that has left before is not queued", async () => {
  const { batcher } = setUp(1);
  await expect(batcher.infer(asking("left"), 1, AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
  expect(batcher.inFlight).toBe(0);
});

test("waiting too long is an error that says how long", async () => {
  const { batcher } = setUp(0, { requestTimeoutMs: 5 });
  await expect(batcher.infer(asking("a"), 1, NEVER)).rejects.toThrow("Request timeout expired: it waited 0.005 s");
  expect(batcher.queueDepth).toBe(0);
});

test("a failed run fails its own request only", async () => {
  const { runner, batcher, runs } = setUp(1);
  const failing = batcher.infer(asking("failing"), 1, NEVER);
  const next = batcher.infer(asking("next"), 3, NEVER);
  runner.finish(new Error("broken"));
  batcher.dispatch();
  await expect(failing).rejects.toThrow("broken");
  runner.finish();
  await next;
  expect(runs).toEqual([{ rows: 3, queueSeconds: 0, computeSeconds: 0.25 }]);
});

test("the time in the queue is measured", async () => {
  const { runner, batcher, runs, clock } = setUp(1);
  const first = batcher.infer(asking("first"), 1, NEVER);
  const second = batcher.infer(asking("second"), 1, NEVER);
  clock.nowMs = 1500;
  runner.finish();
  batcher.dispatch();
  runner.finish();
  await Promise.all([first, second]);
  expect(runs.map(({ queueSeconds }) => queueSeconds)).toEqual([0, 1.5]);
});

describe("any history", () => {
  const event = fc.constantFrom("arrive", "finish", "fail", "leave");

  test("bounds hold, and each request ends exactly once", async () => {
    const workersAndQueue = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 4 }));
    await fc.assert(
      fc.asyncProperty(
        workersAndQueue,
        fc.array(event, { maxLength: 60 }),
        async ([workers, maxQueueLength], events) => {
          const { runner, batcher } = setUp(workers, { maxQueueLength });
          const clients: AbortController[] = [];
          const answers: Promise<unknown>[] = [];
          const actions = {
            arrive: () => {
              const client = new AbortController();
              clients.push(client);
              answers.push(batcher.infer(asking("x"), 1, client.signal));
            },
            finish: () => runner.finish(),
            fail: () => runner.finish(new Error("broken")),
            leave: () => clients.shift()?.abort(),
          };
          for (const name of events) {
            actions[name]();
            batcher.dispatch();
            expect(batcher.queueDepth).toBeLessThanOrEqual(maxQueueLength);
            // Work-conserving: nobody waits while a worker is idle.
            expect(batcher.queueDepth === 0 || runner.idleCount === 0).toBe(true);
          }
          while (runner.running.length > 0) {
            runner.finish();
            batcher.dispatch();
          }
          const ends = await Promise.allSettled(answers);
          expect(ends).toHaveLength(events.filter((name) => name === "arrive").length);
          expect([batcher.queueDepth, batcher.inFlight]).toEqual([0, 0]);
        },
      ),
    );
  });
});
