// The queue: who runs together, in which order and within which bounds, and who leaves or fails.

import { describe, expect, test } from "vitest";

import { Cancellation } from "../cancellation.ts";
import { InferenceError } from "../inference-error.ts";
import { BufferPool } from "./buffer-pool.ts";
import { asking, bytesIn, makeManualBatcher, numbersOf, tensorOf } from "./test-runner.ts";

describe("joining", () => {
  test("what queued while the worker was busy is the next run, and each gets its own rows back", async () => {
    const queue = makeManualBatcher(1);
    const first = queue.send([1]);
    queue.allRead();
    const waiting = [queue.send([2]), queue.send([3, 4]), queue.send([5])];
    expect(await queue.finishAll()).toEqual([[1], [2, 3, 4, 5]]);
    expect(await first).toEqual([[1]]);
    expect(await Promise.all(waiting)).toEqual([[[2]], [[3, 4]], [[5]]]);
  });

  test("what arrives in one turn runs together though the worker is idle", async () => {
    const queue = makeManualBatcher(1);
    const answers = [queue.send([1]), queue.send([2])];
    expect(queue.runner.running).toHaveLength(0);
    queue.allRead();
    expect(queue.runner.numbers).toEqual([[1, 2]]);
    await queue.finishAll();
    expect(await Promise.all(answers)).toEqual([[[1]], [[2]]]);
  });

  test("no more rows together than allowed", async () => {
    const queue = makeManualBatcher(1, { maxBatchSize: 3 });
    const answers = [1, 2, 3, 4].map((number) => queue.send([number]));
    const large = queue.send([5, 6, 7, 8]);
    queue.allRead();
    expect(await queue.finishAll()).toEqual([[1, 2, 3], [4], [5, 6, 7, 8]]);
    expect(await Promise.all([...answers, large])).toHaveLength(5);
  });

  test("other shapes are not joined", async () => {
    const queue = makeManualBatcher(1);
    const pairs = asking([], { inputs: [tensorOf("x", [1, 2], [10, 20])] });
    const answers = [
      queue.send([1]),
      queue.batcher.infer(pairs, new Cancellation()).then(({ outputs }) => outputs.map(numbersOf)),
      queue.send([2]),
    ];
    queue.allRead();
    expect(await queue.finishAll()).toEqual([
      [1, 2],
      [10, 20],
    ]);
    expect(await Promise.all(answers)).toEqual([[[1]], [[10, 20]], [[2]]]);
  });

  test("a request whose inputs have different numbers of rows runs alone", async () => {
    const queue = makeManualBatcher(1);
    const uneven = { inputs: [tensorOf("x", [1, 1], [9]), tensorOf("z", [2, 1], [0, 0])] };
    const answers = [queue.send([], uneven), queue.send([], uneven)];
    queue.allRead();
    expect(await queue.finishAll()).toEqual([[9], [9]]);
    await Promise.all(answers);
  });

  test("the run gives every output that one of them wants, and each gets those it asked for", async () => {
    const queue = makeManualBatcher(1);
    const answers = [
      queue.send([1], { outputNames: ["double"] }),
      queue.send([2], { outputNames: ["same", "double"] }),
      queue.send([3]),
    ];
    queue.allRead();
    expect(queue.runner.running[0]?.request.outputNames).toEqual(["double", "same"]);
    await queue.finishAll();
    expect(await Promise.all(answers)).toEqual([[[2]], [[2], [4]], [[3]]]);
  });

  test("where requests are not joined each runs alone, and at once", async () => {
    const queue = makeManualBatcher(1, { maxBatchSize: 1 });
    const answers = [queue.send([1]), queue.send([2])];
    expect(queue.runner.numbers).toEqual([[1]]);
    expect(await queue.finishAll()).toEqual([[1], [2]]);
    await Promise.all(answers);
  });
});

describe("memory of inputs", () => {
  // Enough rows for memory that is worth keeping.
  const many = Array.from({ length: 20_000 }, (_, index) => index);
  const large = (first: number) => asking([], { inputs: [tensorOf("x", [1, 20_000], [first, ...many.slice(1)])] });

  test("a run on this thread takes a single request's memory as it lies", async () => {
    const queue = makeManualBatcher(1, {}, false);
    const request = large(1);
    const answer = queue.batcher.infer(request, new Cancellation());
    queue.allRead();
    expect(queue.runner.running[0]?.request.inputs[0]?.data).toBe(request.inputs[0]?.data);
    await queue.finishAll();
    await answer;
  });

  test.each([
    ["on this thread", false],
    ["on another thread", true],
  ])("what was joined for a run %s is used again for the next", async (_name, movesInputs) => {
    const buffers = new BufferPool(1024 ** 2);
    const queue = makeManualBatcher(1, { buffers }, movesInputs);
    const two = () => [1, 2].map((first) => queue.batcher.infer(large(first), new Cancellation()));
    const used: unknown[] = [];
    for (let round = 0; round < 2; round += 1) {
      const answers = two();
      queue.allRead();
      used.push(bytesIn(queue.runner.running[0]?.request.inputs[0]).buffer);
      expect(buffers.keptBytes).toBe(0);
      await queue.finishAll();
      const results = await Promise.all(answers);
      expect(results.map(({ outputs }) => numbersOf(outputs[0])[0])).toEqual([1, 2]);
      expect(buffers.keptBytes).toBeGreaterThanOrEqual(2 * 80_000);
    }
    expect(used[1]).toBe(used[0]);
  });
});

describe("order", () => {
  test("that of arrival", async () => {
    const queue = makeManualBatcher(1, { maxBatchSize: 1 });
    const answers = [1, 2, 3].map((number) => queue.send([number]));
    expect(await queue.finishAll()).toEqual([[1], [2], [3]]);
    await Promise.all(answers);
  });

  test("lower numbers of priority go first, requests without one last", async () => {
    const queue = makeManualBatcher(1, { maxBatchSize: 1 });
    const answers = [
      queue.send([0]),
      queue.send([4]),
      queue.send([2], { priority: 2 }),
      queue.send([1], { priority: 1 }),
      queue.send([3], { priority: 2 }),
      queue.send([5], { priority: 0 }),
    ];
    expect(await queue.finishAll()).toEqual([[0], [1], [2], [3], [4], [5]]);
    await Promise.all(answers);
  });
});

describe("bounds", () => {
  const FULL = { code: "UNAVAILABLE", message: expect.stringMatching(/^Exceeds maximum queue size: /) as string };

  test("a full queue refuses at once and takes requests again when there is room", async () => {
    const queue = makeManualBatcher(1, { maxBatchSize: 1, maxQueueLength: 1 });
    const accepted = [queue.send([1]), queue.send([2])];
    expect(queue.batcher.refusal()).toMatchObject(FULL);
    await expect(queue.send([3])).rejects.toMatchObject(FULL);
    queue.runner.finish();
    expect(queue.batcher.refusal()).toBeUndefined();
    await queue.finishAll();
    expect(await Promise.all(accepted)).toEqual([[[1]], [[2]]]);
  });

  test("no queue at all still uses idle workers, a whole batch of requests each", async () => {
    const queue = makeManualBatcher(1, { maxQueueLength: 0, maxBatchSize: 2 });
    const accepted = [queue.send([1]), queue.send([2])];
    await expect(queue.send([3])).rejects.toMatchObject(FULL);
    queue.allRead();
    await expect(queue.send([4])).rejects.toMatchObject(FULL);
    await queue.finishAll();
    expect(await Promise.all(accepted)).toEqual([[[1]], [[2]]]);
  });

  test("bytes that wait", async () => {
    const queue = makeManualBatcher(1, { maxBatchSize: 1, maxQueueBytes: 12 });
    const accepted = [queue.send([1, 1, 1, 1]), queue.send([2, 2]), queue.send([3])];
    expect(queue.batcher.refusal()).toMatchObject(FULL);
    await expect(queue.send([4])).rejects.toMatchObject({
      message: expect.stringContaining("too many bytes") as string,
    });
    queue.runner.finish();
    expect(queue.batcher.refusal()).toBeUndefined();
    await queue.finishAll();
    await Promise.all(accepted);
  });
});

describe("clients that leave", () => {
  test("while they wait: they are never run, and the batch goes on without them", async () => {
    const queue = makeManualBatcher(1);
    const running = queue.send([1]);
    queue.allRead();
    const client = new Cancellation();
    const left = queue.batcher.infer(asking([2]), client);
    const waiting = queue.send([3]);
    expect(queue.batcher.queueDepth).toBe(2);
    client.cancel();
    await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
    expect(queue.batcher.queueDepth).toBe(1);
    expect(await queue.finishAll()).toEqual([[1], [3]]);
    await Promise.all([running, waiting]);
  });

  test("before they are queued", async () => {
    const { batcher } = makeManualBatcher(1);
    const gone = new Cancellation();
    gone.cancel();
    await expect(batcher.infer(asking([1]), gone)).rejects.toMatchObject({ code: "CANCELLED" });
    expect(batcher.inFlight).toBe(0);
  });

  test("during a run: nothing is cut off", async () => {
    const queue = makeManualBatcher(1);
    const client = new Cancellation();
    const running = queue.batcher.infer(asking([1]), client);
    queue.allRead();
    client.cancel();
    expect(queue.runner.running).toHaveLength(1);
    queue.runner.finish();
    await expect(running).resolves.toBeDefined();
  });

  test("during a run that fails: there is no other try for them", async () => {
    const queue = makeManualBatcher(1);
    const client = new Cancellation();
    const [left, guilty] = [queue.batcher.infer(asking([1]), client), queue.send([-2])];
    queue.allRead();
    client.cancel();
    const seen = queue.finishAll();
    await expect(left).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(guilty).rejects.toThrow("the model failed");
    expect(await seen).toEqual([[1, -2], [-2]]);
    expect(queue.batcher.inFlight).toBe(0);
  });
});

describe("failures", () => {
  test("of a run of several: each is tried again alone, so that only the guilty one fails", async () => {
    const queue = makeManualBatcher(1);
    const [one, guilty, other] = [queue.send([1]), queue.send([-2]), queue.send([3, 4])];
    queue.allRead();
    const seen = queue.finishAll();
    await expect(guilty).rejects.toMatchObject({
      code: "INTERNAL",
      message: "the model failed on this input: negative",
    });
    expect(await one).toEqual([[1]]);
    expect(await other).toEqual([[3, 4]]);
    expect(await seen).toEqual([[1, -2, 3, 4], [1], [-2], [3, 4]]);
    expect([queue.batcher.inFlight, queue.batcher.queueDepth]).toEqual([0, 0]);
  });

  test("of a single request: there is no other try", async () => {
    const queue = makeManualBatcher(1);
    const guilty = queue.send([-1]);
    queue.allRead();
    const seen = queue.finishAll();
    await expect(guilty).rejects.toThrow("the model failed");
    expect(await seen).toEqual([[-1]]);
  });

  test("that are not the model's fail the whole run, clearly, and the next goes on", async () => {
    const queue = makeManualBatcher(1);
    const lost = [queue.send([1]), queue.send([2])];
    queue.allRead();
    const next = queue.send([3]);
    queue.runner.fail(new InferenceError("INTERNAL", "the thread that ran the model failed; it is being replaced"));
    for (const answer of lost) {
      await expect(answer).rejects.toMatchObject({
        code: "INTERNAL",
        message: /^the thread that ran the model failed/,
      });
    }
    queue.runner.finish();
    expect(await next).toEqual([[3]]);
    expect(queue.batcher.inFlight).toBe(0);
  });
});
