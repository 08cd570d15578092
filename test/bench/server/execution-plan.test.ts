// The plan out of a model's configuration.

import { expect, test } from "vitest";
import { readExecutionPlan } from "./execution-plan.ts";

const config = {
  max_batch_size: 32,
  instance_group: [{ name: "bench_0", kind: "KIND_CPU", count: 2 }],
  parameters: { intra_op_thread_count: { string_value: "1" } },
};

test.each([
  ["workers that join requests", config, { workers: 2, threads: 1, maxBatch: 32 }],
  ["0 means that requests are not joined", { ...config, max_batch_size: 0 }, { workers: 2, threads: 1, maxBatch: 1 }],
  [
    "several groups",
    { ...config, instance_group: [{ count: 1 }, { count: 2 }] },
    { workers: 3, threads: 1, maxBatch: 32 },
  ],
])("%s", (_name, given, expected) => {
  expect(readExecutionPlan(given)).toEqual(expected);
});

test.each([
  ["no workers", { ...config, instance_group: [] }],
  ["no threads", { ...config, parameters: {} }],
  ["no batch size", { instance_group: config.instance_group, parameters: config.parameters }],
  ["no configuration at all", { error: "Not Found" }],
])("%s: an error, not a guess", (_name, given) => {
  expect(() => readExecutionPlan(given)).toThrow("does not say how it is run");
});
