// The Deployment: what is left to others, and how many replicas one starts with.

import { describe, expect, test } from "vitest";
import { inferenceServiceLabel } from "../api/group.ts";
import { makeInferenceService } from "../api/testing.ts";
import { initialReplicas, makeDeployment } from "./deployment.ts";

const settings = { serverImage: "plimsoll/server:dev" };

test("replicas are left to the autoscaler, whatever the spec says", () => {
  const service = makeInferenceService({
    predictor: { minReplicas: 3, replicas: 5, autoScaling: { mode: "External" } },
  });
  expect(makeDeployment(service, settings).spec).not.toHaveProperty("replicas");
});

test("a roll-out takes no replica away before another is ready", () => {
  expect(makeDeployment(makeInferenceService(), settings).spec?.strategy).toEqual({
    type: "RollingUpdate",
    rollingUpdate: { maxUnavailable: 0, maxSurge: "25%" },
  });
});

test("the selector, which cannot change, matches the pods and holds no revision", () => {
  const { selector, template } = makeDeployment(makeInferenceService(), settings).spec!;
  expect(selector).toEqual({ matchLabels: { [inferenceServiceLabel]: "resnet" } });
  expect(template.metadata?.labels).toMatchObject(selector.matchLabels!);
});

describe("a Deployment that does not exist yet starts with", () => {
  const desired = (desiredReplicas: number) => ({ autoScaling: { desiredReplicas } });
  const bounds = { minReplicas: 2, maxReplicas: 8 };
  const external = { minReplicas: 2, autoScaling: { mode: "External" } };

  test.each([
    ["minReplicas, when nothing is known of the load", { predictor: bounds }, 2],
    ["what the load last asked for", { predictor: bounds, status: desired(6) }, 6],
    ["at least minReplicas, when they were raised meanwhile", { predictor: bounds, status: desired(1) }, 2],
    ["at most maxReplicas, when they were lowered meanwhile", { predictor: bounds, status: desired(20) }, 8],
    ["its own count in mode External", { predictor: { ...external, replicas: 5 }, status: desired(9) }, 5],
    ["none in mode External with a count of 0", { predictor: { ...external, replicas: 0 } }, 0],
    ["minReplicas in mode External without a count", { predictor: external, status: desired(9) }, 2],
  ])("%s", (_sentence, options, replicas) => {
    expect(initialReplicas(makeInferenceService(options))).toBe(replicas);
  });
});
