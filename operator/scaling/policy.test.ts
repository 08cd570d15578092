// From the spec of a service to plain numbers.

import { describe, expect, test } from "vitest";
import { makeInferenceService } from "../api/testing.ts";
import { policyOf } from "./policy.ts";

function policyFor(predictor: object) {
  return policyOf(makeInferenceService({ predictor }).spec, 8);
}

test("a spec that says nothing follows the queue, between 1 and 10 replicas, calmly down", () => {
  expect(policyFor({})).toEqual({
    minReplicas: 1,
    maxReplicas: 10,
    targets: { QueueDepth: 4 },
    stabilizationWindowSeconds: 300,
    rateWindowSeconds: 8,
    drainSeconds: 10,
  });
});

test("bounds and window are the spec's", () => {
  const behavior = { scaleDown: { stabilizationWindowSeconds: 0 } };
  expect(policyFor({ minReplicas: 3, maxReplicas: 7, autoScaling: { behavior } })).toMatchObject({
    minReplicas: 3,
    maxReplicas: 7,
    stabilizationWindowSeconds: 0,
  });
});

test.each([
  ["Hold asks for nothing", { policy: "Hold" }, undefined],
  ["ScaleTo waits a minute", { policy: "ScaleTo", replicas: 6 }, { replicas: 6, afterSeconds: 60 }],
  ["or as long as it says", { policy: "ScaleTo", replicas: 6, afterSeconds: 0 }, { replicas: 6, afterSeconds: 0 }],
])("on missing metrics %s", (_sentence, onMissingMetrics, policy) => {
  expect(policyFor({ autoScaling: { onMissingMetrics } }).onMissingMetrics).toEqual(policy);
});

describe("targets are plain numbers", () => {
  test.each([
    ["a whole number", 50, 50],
    ["a number as text", "50", 50],
    ["thousandths", "2500m", 2.5],
    ["thousandths that have no exact binary form", "1015m", 1.015],
    ["thousands", "1k", 1000],
  ])("%s", (_sentence, target, value) => {
    const metrics = [
      { type: "RequestRate", target },
      { type: "QueueDepth", target: 1 },
    ];
    expect(policyFor({ autoScaling: { metrics } }).targets).toEqual({ RequestRate: value, QueueDepth: 1 });
  });
});

test.each(["many", "0", "-1", "1e400"])("a target of %s is an error, never a signal that is left out", (target) => {
  const { spec } = makeInferenceService();
  const { predictor } = spec;
  const metrics = [{ type: "RequestRate" as const, target }];
  const unchecked = { predictor: { ...predictor, autoScaling: { ...predictor.autoScaling, metrics } } };
  expect(() => policyOf(unchecked, 8)).toThrow(`target ${target} of RequestRate is not a quantity above 0`);
});
