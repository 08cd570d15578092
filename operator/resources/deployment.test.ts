// The Deployment: what is left to others, and how many replicas one starts with.

import { describe, expect, test } from "vitest";
import { inferenceServiceLabel } from "../api/group.ts";
import { makeInferenceService } from "../api/testing.ts";
import { initialReplicas, makeDeployment, mayReplaceInPlace } from "./deployment.ts";

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

describe("the strategy of the spec", () => {
  test.each([
    ["Recreate has no roll-out parameters", { type: "Recreate" }, { type: "Recreate" }],
    [
      "what is left out of rollingUpdate keeps its default",
      { rollingUpdate: { maxUnavailable: 1 } },
      { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: "25%" } },
    ],
    [
      "both may be given",
      { rollingUpdate: { maxUnavailable: "50%", maxSurge: 0 } },
      { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "50%", maxSurge: 0 } },
    ],
  ])("%s", (_sentence, deploymentStrategy, strategy) => {
    const service = makeInferenceService({ predictor: { deploymentStrategy } });
    expect(makeDeployment(service, settings).spec?.strategy).toEqual(strategy);
  });
});

test.each([
  ["by default", {}, true],
  ["where only the surge is given", { rollingUpdate: { maxSurge: 1 } }, true],
  ["not where the spec says how many may be unavailable", { rollingUpdate: { maxUnavailable: 0 } }, false],
  ["not where they all go at once anyway", { type: "Recreate" }, false],
])("pods may be replaced in place: %s", (_sentence, deploymentStrategy, expected) => {
  expect(mayReplaceInPlace(makeInferenceService({ predictor: { deploymentStrategy } }))).toBe(expected);
});

describe("a roll-out has failed", () => {
  const deadline = (options: object) =>
    makeDeployment(makeInferenceService(options), settings).spec?.progressDeadlineSeconds;

  test.each([
    ["later than the start-up probe gives up", {}, 2400],
    ["later still where loading may take longer", { model: { startupProbe: { failureThreshold: 7200 } } }, 7800],
    ["when the spec says so", { predictor: { progressDeadlineSeconds: 1900 } }, 1900],
  ])("%s", (_sentence, options, seconds) => {
    expect(deadline(options)).toBe(seconds);
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
