// A loaded model as protocols see it: what it admits, what it refuses, whose figures it gives.

import { describe, expect, test } from "vitest";

import { Cancellation } from "../cancellation.ts";
import { ReadyModel, type ReadyModelParts } from "./ready-model.ts";
import type { Readiness } from "./served-model.ts";
import { StatisticsRecorder } from "./statistics.ts";
import { ONE_WORKER } from "./test-plan.ts";
import { asking, makeManualBatcher, numbersOf } from "./test-runner.ts";

function make(parts: Partial<ReadyModelParts> = {}, options: Parameters<typeof makeManualBatcher>[1] = {}) {
  const queue = makeManualBatcher(1, options);
  const state = { readiness: { ready: true } as Readiness };
  const model = new ReadyModel({
    metadata: { name: "m", version: "1", platform: "onnx_onnxv1", inputs: [], outputs: [] },
    plan: ONE_WORKER,
    batcher: queue.batcher,
    statistics: queue.statistics,
    versionLabels: ["stable"],
    readiness: () => state.readiness,
    ...parts,
  });
  return { model, queue, state };
}

test("requests go through the queue", async () => {
  const { model, queue } = make();
  const answer = model.infer(asking([1, 2]), new Cancellation());
  queue.allRead();
  await queue.finishAll();
  expect((await answer).outputs.map(numbersOf)).toEqual([[1, 2]]);
  expect(await model.statistics()).toMatchObject({ inferenceCount: 2, success: { count: 1 } });
});

describe("before a body is read, and again with the request", () => {
  test("a full queue refuses", async () => {
    const { model, queue } = make({}, { maxQueueLength: 0, maxBatchSize: 1 });
    expect(() => model.admit()).not.toThrow();
    const running = model.infer(asking([1]), new Cancellation());
    expect(() => model.admit()).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
    await expect(model.infer(asking([2]), new Cancellation())).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await queue.finishAll();
    await running;
    expect(() => model.admit()).not.toThrow();
  });

  test("a model whose workers are gone refuses, and says why", async () => {
    const { model, state } = make();
    state.readiness = { ready: false, reason: "no worker has the model loaded" };
    const refusal = { code: "UNAVAILABLE", message: "no worker has the model loaded" };
    expect(() => model.admit()).toThrow(expect.objectContaining(refusal));
    await expect(model.infer(asking([1]), new Cancellation())).rejects.toMatchObject(refusal);
    expect(model.readiness).toEqual(state.readiness);
  });
});

test("where several threads run the model, the figures are those of all of them", async () => {
  const all = { ...new StatisticsRecorder().snapshot(), inferenceCount: 77 };
  const { model } = make({ allStatistics: async () => all });
  expect(await model.statistics()).toBe(all);
});
