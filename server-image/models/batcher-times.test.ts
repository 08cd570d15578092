// The queue and time: limits, the early no, the batch delay, and what is measured.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { makeManualBatcher, tensorOf } from "./test-runner.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
});

afterEach(() => {
  vi.useRealTimers();
});

describe("time limits", () => {
  function pass(queue: ReturnType<typeof makeManualBatcher>, milliseconds: number): void {
    queue.clock.nowMs += milliseconds;
    vi.advanceTimersByTime(milliseconds);
  }

  test("whoever waits too long is told how long, and room is made", async () => {
    const queue = makeManualBatcher(1, { queueTimeoutMs: 1000 });
    const running = queue.send([1]);
    queue.allRead();
    const waiting = queue.send([2]);
    pass(queue, 980);
    expect(queue.batcher.queueDepth).toBe(1);
    pass(queue, 20);
    await expect(waiting).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Request timeout expired: it waited 1 s for its turn",
    });
    expect(queue.batcher.queueDepth).toBe(0);
    queue.runner.finish();
    expect(await running).toEqual([[1]]);
  });

  test("a request's own limit counts where it is shorter", async () => {
    const queue = makeManualBatcher(1, { queueTimeoutMs: 1000 });
    const running = queue.send([1]);
    queue.allRead();
    const [short, long] = [queue.send([2], { timeoutMs: 100 }), queue.send([3], { timeoutMs: 5000 })];
    pass(queue, 100);
    await expect(short).rejects.toThrow("Request timeout expired: it waited 0.1 s");
    expect(queue.batcher.queueDepth).toBe(1);
    pass(queue, 900);
    await expect(long).rejects.toThrow("Request timeout expired: it waited 1 s");
    queue.runner.finish();
    await running;
  });

  test("a run that has begun is not cut off", async () => {
    const queue = makeManualBatcher(1, { queueTimeoutMs: 1000 });
    const running = queue.send([1], { timeoutMs: 10 });
    queue.allRead();
    pass(queue, 60_000);
    queue.runner.finish();
    expect(await running).toEqual([[1]]);
  });

  test("requests that wait for another try keep their limit", async () => {
    const queue = makeManualBatcher(1, { queueTimeoutMs: 1000 });
    const answers = [queue.send([-1]), queue.send([2]), queue.send([3])];
    queue.allRead();
    // Long enough for the sweep to have ended, with nobody waiting.
    pass(queue, 500);
    queue.runner.finish();
    await new Promise(setImmediate);
    expect(queue.runner.numbers).toEqual([[-1]]);
    pass(queue, 500);
    await expect(answers[1]).rejects.toThrow("Request timeout expired");
    await expect(answers[2]).rejects.toThrow("Request timeout expired");
    queue.runner.finish();
    await expect(answers[0]).rejects.toThrow("the model failed");
  });

  test("a deadline that has passed on arrival is refused", async () => {
    const queue = makeManualBatcher(1);
    await expect(queue.send([1], { timeoutMs: 0 })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Request timeout expired: its deadline had passed when it arrived",
    });
    expect(queue.batcher.inFlight).toBe(0);
  });
});

describe("an early no", () => {
  /** One run in progress, and so many requests waiting; runs of 8 rows take a second, of 1 row half a second. */
  function busy(waiting: number, options: Parameters<typeof makeManualBatcher>[1] = {}) {
    const queue = makeManualBatcher(1, options);
    queue.batcher.learnRunTime(8, 1);
    queue.batcher.learnRunTime(1, 0.5);
    const accepted = [queue.send([0])];
    queue.allRead();
    for (let index = 0; index < waiting; index += 1) {
      accepted.push(queue.send([index]));
    }
    return { queue, accepted };
  }

  test("to a request that would wait too long", async () => {
    const { queue, accepted } = busy(41, { maxExpectedWaitMs: 5000 });
    await expect(queue.send([1])).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Exceeds maximum queue size: it would wait 5.1 s; try again later",
    });
    await queue.finishAll();
    await Promise.all(accepted);
  });

  test("never before four full runs wait, however slow the model is", async () => {
    const { queue, accepted } = busy(32, { maxExpectedWaitMs: 1 });
    accepted.push(queue.send([1]));
    await expect(queue.send([2])).rejects.toThrow("it would wait 4.1 s");
    await queue.finishAll();
    await Promise.all(accepted);
  });

  test("to a request whose deadline would pass before its answer", async () => {
    const { queue, accepted } = busy(8);
    await expect(queue.send([1], { timeoutMs: 1400 })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "Request timeout expired: it would take 1.5 s and has 1.4 s",
    });
    accepted.push(queue.send([1], { timeoutMs: 1600 }));
    await queue.finishAll();
    await Promise.all(accepted);
  });

  test("not because of requests that are less urgent", async () => {
    const { queue, accepted } = busy(33, { maxExpectedWaitMs: 1 });
    accepted.push(queue.send([1], { priority: 1 }));
    await expect(queue.send([2])).rejects.toThrow("it would wait");
    await queue.finishAll();
    await Promise.all(accepted);
  });

  test("more workers make the wait shorter", async () => {
    const queue = makeManualBatcher(2, { maxExpectedWaitMs: 1 });
    queue.batcher.learnRunTime(8, 1);
    const accepted = Array.from({ length: 16 }, (_, index) => queue.send([index]));
    queue.allRead();
    expect(queue.runner.idleCount).toBe(0);
    accepted.push(...Array.from({ length: 65 }, (_, index) => queue.send([index])));
    await expect(queue.send([2])).rejects.toThrow("it would wait 4.1 s");
    await queue.finishAll();
    await Promise.all(accepted);
  });

  test("one absurdly slow run does not lock requests out: an idle worker always takes one, and learns", async () => {
    const queue = makeManualBatcher(1, { maxExpectedWaitMs: 1 });
    queue.batcher.learnRunTime(1, 3600);
    for (let round = 0; round < 60; round += 1) {
      const answer = queue.send([round], { timeoutMs: 10 });
      queue.allRead();
      queue.runner.finish(0.001);
      expect(await answer).toEqual([[round]]);
    }
    // Now a busy worker does not keep out a request in a hurry either.
    const [running, waiting] = [queue.send([1]), queue.send([2], { timeoutMs: 50 })];
    queue.allRead();
    await queue.finishAll();
    await Promise.all([running, waiting]);
  });
});

describe("a batch delay", () => {
  function delayed() {
    const queue = makeManualBatcher(1, { batchDelayMs: 50, maxBatchSize: 4 });
    const pass = (milliseconds: number) => {
      queue.clock.nowMs += milliseconds;
      vi.advanceTimersByTime(milliseconds);
    };
    return { ...queue, pass };
  }

  test("a request waits so long for others, and no longer", async () => {
    const queue = delayed();
    const answers = [queue.send([1])];
    queue.allRead();
    queue.pass(30);
    answers.push(queue.send([2]));
    queue.allRead();
    queue.pass(19);
    expect(queue.runner.numbers).toEqual([]);
    queue.pass(1);
    expect(queue.runner.numbers).toEqual([[1, 2]]);
    queue.runner.finish();
    await Promise.all(answers);
  });

  test("a full batch goes at once", async () => {
    const queue = delayed();
    const answers = [queue.send([1])];
    queue.allRead();
    expect(queue.runner.numbers).toEqual([]);
    answers.push(queue.send([2, 3]), queue.send([4]));
    queue.allRead();
    expect(queue.runner.numbers).toEqual([[1, 2, 3, 4]]);
    queue.runner.finish();
    await Promise.all(answers);
  });

  test("a request that cannot be joined goes at once", async () => {
    const queue = delayed();
    const uneven = { inputs: [tensorOf("x", [1, 1], [9]), tensorOf("z", [2, 1], [0, 0])] };
    const answer = queue.send([], uneven);
    queue.allRead();
    expect(queue.runner.numbers).toEqual([[9]]);
    queue.runner.finish();
    await answer;
  });

  test("what waited while the worker was busy has waited enough", async () => {
    const queue = delayed();
    const answers = [1, 2, 3, 4].map((number) => queue.send([number]));
    queue.allRead();
    answers.push(queue.send([5]));
    queue.pass(60);
    queue.runner.finish();
    expect(queue.runner.numbers).toEqual([[5]]);
    queue.runner.finish();
    await Promise.all(answers);
  });
});

describe("figures", () => {
  test("the time in the queue, once for each request, tried again or not", async () => {
    const queue = makeManualBatcher(1);
    const first = queue.send([1]);
    queue.allRead();
    const answers = [queue.send([-2]), queue.send([3])];
    queue.clock.nowMs = 1500;
    const seen = queue.finishAll();
    await expect(answers[0]).rejects.toThrow();
    await Promise.all([first, answers[1], seen]);
    expect(queue.queueSeconds).toEqual([0, 1.5, 1.5]);
    expect(queue.statistics.snapshot().queue).toEqual({ count: 3, ns: 3e9 });
  });

  test("runs that gave a result, with their rows; answers and failures, once for each request", async () => {
    const queue = makeManualBatcher(1);
    const answers = [queue.send([1]), queue.send([2, 3])];
    queue.allRead();
    queue.clock.nowMs = 400;
    answers.push(queue.send([-4]));
    const seen = queue.finishAll();
    await expect(answers[2]).rejects.toThrow();
    await Promise.all([answers[0], answers[1], seen]);
    await expect(queue.send([1], { timeoutMs: 0 })).rejects.toThrow();
    expect(queue.runs).toEqual([{ rows: 3, computeSeconds: 0.25 }]);
    expect(queue.statistics.snapshot()).toMatchObject({
      lastInferenceMs: 1_700_000_000_400,
      inferenceCount: 3,
      executionCount: 1,
      success: { count: 2, ns: 800e6 },
      fail: { count: 2, ns: 0 },
      computeInfer: { count: 2, ns: 500e6 },
      batches: [{ batchSize: 3, computeInfer: { count: 1, ns: 250e6 } }],
    });
  });

  test("since when requests have waited without a break", async () => {
    const queue = makeManualBatcher(1, { maxBatchSize: 1 });
    expect(queue.batcher.backlogSinceMs).toBeUndefined();
    const answers = [queue.send([1])];
    expect(queue.batcher.backlogSinceMs).toBeUndefined();
    queue.clock.nowMs = 100;
    answers.push(queue.send([2]));
    queue.clock.nowMs = 200;
    answers.push(queue.send([3]));
    expect(queue.batcher.backlogSinceMs).toBe(100);
    queue.runner.finish();
    expect(queue.batcher.backlogSinceMs).toBe(100);
    queue.clock.nowMs = 300;
    queue.runner.finish();
    expect(queue.batcher.backlogSinceMs).toBeUndefined();
    answers.push(queue.send([4]));
    expect(queue.batcher.backlogSinceMs).toBe(300);
    await queue.finishAll();
    await Promise.all(answers);
  });
});
