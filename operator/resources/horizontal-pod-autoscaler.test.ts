// The HorizontalPodAutoscaler, and the bounds that are written into it for any floor.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inferenceServiceLabel } from "../api/group.ts";
import { makeInferenceService } from "../api/testing.ts";
import { makeHorizontalPodAutoscaler, replicaBounds } from "./horizontal-pod-autoscaler.ts";

describe("the bounds", () => {
  test.each([
    ["without a floor are the service's own", { minReplicas: 1, maxReplicas: 10 }, 0, 1],
    ["start at a floor between them", { minReplicas: 1, maxReplicas: 10 }, 4, 4],
    ["are not left by a floor above them", { minReplicas: 1, maxReplicas: 10 }, 12, 10],
    ["are not left by a floor below them", { minReplicas: 3, maxReplicas: 10 }, 1, 3],
    ["never start at 0, which an HPA does not take", { minReplicas: 0, maxReplicas: 10 }, 0, 1],
    ["of one count are that count", { minReplicas: 5, maxReplicas: 5 }, 7, 5],
  ])("%s", (_sentence, bounds, floor, minReplicas) => {
    expect(replicaBounds(bounds, floor)).toEqual({ minReplicas, maxReplicas: bounds.maxReplicas });
  });

  test("are in order and within the service's own, whatever the floor", () => {
    const own = fc
      .tuple(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 1, max: 10_000 }))
      .filter(([min, max]) => min <= max);
    fc.assert(
      fc.property(own, fc.integer({ min: 0, max: 100_000 }), ([minReplicas, maxReplicas], floor) => {
        const made = replicaBounds({ minReplicas, maxReplicas }, floor);
        expect(made.maxReplicas).toBe(maxReplicas);
        expect(made.minReplicas).toBeLessThanOrEqual(made.maxReplicas);
        expect(made.minReplicas).toBeGreaterThanOrEqual(Math.max(1, minReplicas));
        // As high as the floor, where that is allowed: otherwise the HPA would undo what the load asks for.
        expect(made.minReplicas).toBeGreaterThanOrEqual(Math.min(floor, maxReplicas));
      }),
    );
  });
});

describe("the HPA", () => {
  const service = makeInferenceService({
    predictor: {
      maxReplicas: 25,
      autoScaling: {
        metrics: [
          { type: "RequestRate", target: "2500m" },
          { type: "QueueDepth", target: 4 },
        ],
        behavior: { scaleDown: { stabilizationWindowSeconds: 20 } },
      },
    },
  });
  const { spec, metadata } = makeHorizontalPodAutoscaler(service, { hpaTolerance: true });

  test("is written without its bounds, which belong to the autoscaler", () => {
    expect(spec).not.toHaveProperty("minReplicas");
    expect(spec).not.toHaveProperty("maxReplicas");
  });

  test("reads each signal of this service alone, per replica, with the target as it was given", () => {
    const selector = { matchLabels: { [inferenceServiceLabel]: "resnet" } };
    expect(spec?.metrics).toEqual([
      {
        type: "External",
        external: {
          metric: { name: "plimsoll_request_rate", selector },
          target: { type: "AverageValue", averageValue: "2500m" },
        },
      },
      {
        type: "External",
        external: {
          metric: { name: "plimsoll_queue_depth", selector },
          target: { type: "AverageValue", averageValue: "4" },
        },
      },
    ]);
  });

  test("scales the Deployment of its own name", () => {
    expect(spec?.scaleTargetRef).toEqual({ apiVersion: "apps/v1", kind: "Deployment", name: metadata?.name });
  });

  test("may raise to maxReplicas in one step", () => {
    expect(spec?.behavior?.scaleUp).toMatchObject({
      stabilizationWindowSeconds: 0,
      policies: [{ type: "Pods", value: 25 }],
    });
  });

  test("lowers after the service's own window, all at once unless the spec limits it", () => {
    expect(spec?.behavior?.scaleDown).toMatchObject({
      stabilizationWindowSeconds: 20,
      policies: [{ type: "Percent", value: 100 }],
    });
  });

  test("lowers as the spec's policies say", () => {
    const policies = [{ type: "Pods", value: 1, periodSeconds: 60 }];
    const slow = makeInferenceService({ predictor: { autoScaling: { behavior: { scaleDown: { policies } } } } });
    const made = makeHorizontalPodAutoscaler(slow, { hpaTolerance: true });
    expect(made.spec?.behavior?.scaleDown?.policies).toEqual(policies);
  });

  test("tolerates no surplus, on clusters that know the field", () => {
    expect(spec?.behavior?.scaleDown).toHaveProperty("tolerance", "0");
    const older = makeHorizontalPodAutoscaler(service, { hpaTolerance: false });
    expect(older.spec?.behavior?.scaleDown).not.toHaveProperty("tolerance");
  });
});
