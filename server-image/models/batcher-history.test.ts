// Any history of the queue: nobody waits in vain, bounds hold, and each request ends exactly once, as it should.

import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import { ModelRunError } from "./runner.ts";
import { makeManualBatcher, numbersOf, tensorOf } from "./test-runner.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const arrival = fc.record({
  rows: fc.integer({ min: 1, max: 4 }),
  columns: fc.integer({ min: 1, max: 2 }),
  guilty: fc.constantFrom(false, false, false, true),
  priority: fc.constantFrom(0, 0, 1, 2),
  timeoutMs: fc.constantFrom(undefined, 30, 500),
});
type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

type Step =
  | { readonly kind: "arrive"; readonly request: Arrival }
  | { readonly kind: "read" | "finish" | "die" }
  | { readonly kind: "leave"; readonly which: number }
  | { readonly kind: "pass"; readonly milliseconds: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: arrival.map((request): Step => ({ kind: "arrive", request })) },
  { weight: 4, arbitrary: fc.constantFrom<Step>({ kind: "read" }) },
  { weight: 4, arbitrary: fc.constantFrom<Step>({ kind: "finish" }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: "die" }) },
  { weight: 2, arbitrary: fc.nat().map((which): Step => ({ kind: "leave", which })) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 100 }).map((milliseconds): Step => ({ kind: "pass", milliseconds })),
  },
);

const settings = fc.record({
  workers: fc.integer({ min: 1, max: 3 }),
  maxBatchSize: fc.constantFrom(1, 2, 3, 8),
  maxQueueLength: fc.integer({ min: 0, max: 6 }),
  maxQueueBytes: fc.constantFrom(1, 40, 100_000),
  queueTimeoutMs: fc.constantFrom(50, 10_000),
  maxExpectedWaitMs: fc.constantFrom(1, 10_000),
  movesInputs: fc.boolean(),
});

interface Sent {
  readonly numbers: readonly number[];
  readonly guilty: boolean;
  readonly client: Cancellation;
  readonly end: Promise<PromiseSettledResult<number[]>>;
}

class History {
  readonly queue: ReturnType<typeof makeManualBatcher>;
  readonly sent: Sent[] = [];
  readonly #bound: number;
  #deaths = 0;
  #number = 0;

  constructor({ workers, movesInputs, ...options }: typeof settings extends fc.Arbitrary<infer T> ? T : never) {
    this.queue = makeManualBatcher(workers, options, movesInputs);
    // Idle workers take a batch each on top, and failed batches come back.
    this.#bound = options.maxQueueLength + 2 * workers * options.maxBatchSize;
  }

  async do(action: Step): Promise<void> {
    const { queue } = this;
    switch (action.kind) {
      case "arrive":
        this.#arrive(action.request);
        break;
      case "read":
        queue.allRead();
        break;
      case "finish":
        queue.runner.finish(0.01);
        break;
      case "die":
        this.#deaths += queue.runner.running.length > 0 ? 1 : 0;
        queue.runner.fail(new InferenceError("INTERNAL", "the thread died"));
        break;
      case "leave":
        this.sent[action.which % Math.max(1, this.sent.length)]?.client.cancel();
        break;
      case "pass":
        queue.clock.nowMs += action.milliseconds;
        vi.advanceTimersByTime(action.milliseconds);
        break;
    }
    // Results are known, and what failed waits for its next try.
    await new Promise(setImmediate);
  }

  #arrive({ rows, columns, guilty, priority, timeoutMs }: Arrival): void {
    const { batcher } = this.queue;
    const accepts = batcher.refusal() === undefined;
    const depth = batcher.queueDepth;
    this.#number += 1;
    const first = this.#number;
    const numbers = Array.from({ length: rows * columns }, (_, index) => first + index / 16);
    if (guilty) {
      numbers[0] = -first;
    }
    const client = new Cancellation();
    const request = { inputs: [tensorOf("x", [rows, columns], numbers)], outputNames: ["double"], priority, timeoutMs };
    const end = batcher.infer(request, client).then(({ outputs }) => numbersOf(outputs[0]));
    this.sent.push({ numbers, guilty, client, end: Promise.allSettled([end]).then(([only]) => only) });
    if (!accepts) {
      expect(batcher.queueDepth, "refused, so it does not wait").toBe(depth);
    }
  }

  check({ kind }: Step): void {
    const { batcher, runner } = this.queue;
    expect(batcher.queueDepth).toBeLessThanOrEqual(this.#bound);
    expect(batcher.inFlight).toBeGreaterThanOrEqual(batcher.queueDepth);
    if (kind === "read") {
      expect(batcher.queueDepth === 0 || runner.idleCount === 0, "nobody waits while a worker is idle").toBe(true);
    }
  }

  async end(): Promise<void> {
    this.queue.allRead();
    await this.queue.finishAll();
    const ends = await Promise.all(this.sent.map(({ end }) => end));
    for (const [index, end] of ends.entries()) {
      this.#checkEnd(this.sent[index] as Sent, end);
    }
    const { batcher, statistics, queueSeconds } = this.queue;
    expect([batcher.queueDepth, batcher.inFlight]).toEqual([0, 0]);
    const { success, fail, queue } = statistics.snapshot();
    const answered = ends.filter(({ status }) => status === "fulfilled").length;
    expect([success.count, fail.count]).toEqual([answered, ends.length - answered]);
    expect(queueSeconds).toHaveLength(queue.count);
    expect(queue.count).toBeLessThanOrEqual(ends.length);
    expect(queue.count).toBeGreaterThanOrEqual(answered);
  }

  #checkEnd({ numbers, guilty, client }: Sent, end: PromiseSettledResult<number[]>): void {
    if (end.status === "fulfilled") {
      expect(guilty).toBe(false);
      expect(end.value).toEqual(numbers.map((one) => one * 2));
      return;
    }
    const { reason } = end as { reason: InferenceError };
    expect(reason).toBeInstanceOf(InferenceError);
    if (reason instanceof ModelRunError) {
      expect(guilty, "only who is guilty gets the model's error").toBe(true);
    } else if (reason.code === "CANCELLED") {
      expect(client.cancelled).toBe(true);
    } else if (reason.code === "INTERNAL") {
      expect(this.#deaths).toBeGreaterThan(0);
    } else {
      expect(reason.code).toBe("UNAVAILABLE");
    }
  }
}

test("work-conserving, bounded, and every request ends exactly once with its own rows or an error of its own", async () => {
  await fc.assert(
    fc.asyncProperty(settings, fc.array(step, { maxLength: 60 }), async (options, steps) => {
      const history = new History(options);
      for (const action of steps) {
        await history.do(action);
        history.check(action);
      }
      await history.end();
    }),
    { numRuns: 150 },
  );
}, 60_000);
