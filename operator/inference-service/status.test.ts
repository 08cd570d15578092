// What the status says for every state of the pods: whether the service is ready, and whether its newest revision is out.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { describe, expect, test } from "vitest";
import { finding } from "../api/conditions.ts";
import { revisionLabel } from "../api/group.ts";
import { makeInferenceService } from "../api/testing.ts";
import { computeStatus, type StatusInput } from "./status.ts";

const now = new Date("2026-03-01T12:00:00Z");

interface Pods {
  wanted?: number;
  total?: number;
  updated?: number;
  available?: number;
  ready?: number;
  progressing?: string;
  /** Generation that the Deployment's controller has seen; its own is 2. */
  observed?: number;
}

function makeDeployment({ wanted = 3, observed = 2, progressing, ...pods }: Pods): Deployment {
  const { total, updated, available, ready } = pods;
  return {
    metadata: { generation: 2 },
    spec: {
      replicas: wanted,
      selector: {},
      template: { metadata: { labels: { [revisionLabel]: "0123456789" } } },
    },
    // The controller leaves out what is 0.
    status: {
      observedGeneration: observed,
      ...(total && { replicas: total }),
      ...(updated && { updatedReplicas: updated }),
      ...(available && { availableReplicas: available }),
      ...(ready && { readyReplicas: ready }),
      ...(progressing && { conditions: [{ type: "Progressing", status: "False", reason: progressing }] }),
    },
  };
}

function conditionOf(type: string, input: StatusInput) {
  const found = computeStatus(input, now).conditions.find((condition) => condition.type === type);
  return `${found?.status} ${found?.reason}: ${found?.message}`;
}

describe("Ready", () => {
  const least = (minReplicas: number) => makeInferenceService({ predictor: { minReplicas } });
  const external = (replicas?: number) =>
    makeInferenceService({
      predictor: { minReplicas: 2, autoScaling: { mode: "External" }, ...(replicas === undefined ? {} : { replicas }) },
    });

  test.each([
    ["no Deployment yet", least(2), undefined, "False NoReadyReplicas: 0 of at least 2 replicas are ready"],
    ["no pod is ready", least(2), { total: 2 }, "False NoReadyReplicas: 0 of at least 2 replicas are ready"],
    ["one of two is ready", least(2), { ready: 1 }, "False TooFewReplicas: 1 of at least 2 replicas is ready"],
    ["as many as the least are ready", least(2), { ready: 2 }, "True Serving: 2 replicas are ready"],
    ["the only one is ready", least(1), { ready: 1 }, "True Serving: 1 replica is ready"],
    [
      "the least are ready, though more are wanted",
      least(1),
      { wanted: 9, ready: 4 },
      "True Serving: 4 replicas are ready",
    ],
    ["an earlier revision serves", least(2), { ready: 2, updated: 0 }, "True Serving: 2 replicas are ready"],
    [
      "in mode External the count is the least",
      external(3),
      { ready: 2 },
      "False TooFewReplicas: 2 of at least 3 replicas are ready",
    ],
    ["in mode External without a count minReplicas is", external(), { ready: 2 }, "True Serving: 2 replicas are ready"],
    ["none is wanted in mode External, and none is there", external(0), {}, "True Serving: 0 replicas are ready"],
  ])("%s", (_sentence, service, pods, said) => {
    const deployment = pods === undefined ? undefined : makeDeployment(pods);
    expect(conditionOf("Ready", { service, deployment })).toBe(said);
  });

  test("what keeps the children from being made overrides what the pods say", () => {
    const blocked = finding("Ready", "False", "ChildNotControlled", "Service vision/resnet-predictor exists");
    const input = { service: makeInferenceService(), deployment: makeDeployment({ ready: 3 }), blocked };
    expect(conditionOf("Ready", input)).toBe("False ChildNotControlled: Service vision/resnet-predictor exists");
  });
});

describe("RolloutComplete", () => {
  const notYet = "False RollingOut: the newest revision is not rolled out yet";
  const done = "True UpToDate: all replicas run the newest revision";
  const counts = (updated: number, available: number) =>
    `${updated} of 3 replicas run the newest revision; ${available} replicas of any revision are available`;

  test.each<[string, Pods | undefined, string]>([
    ["there is no Deployment yet", undefined, notYet],
    ["its controller has not seen the spec yet", { observed: 1, total: 3, updated: 3, available: 3 }, notYet],
    ["no pod is made yet", {}, `False RollingOut: ${counts(0, 0)}`],
    ["every pod is new and available", { total: 3, updated: 3, available: 3 }, done],
    ["the new pods are not available yet", { total: 3, updated: 3, available: 2 }, `False RollingOut: ${counts(3, 2)}`],
    ["some pods are still old", { total: 3, updated: 2, available: 3 }, `False RollingOut: ${counts(2, 3)}`],
    [
      "an old pod is still there beside enough new ones",
      { total: 4, updated: 3, available: 4 },
      `False RollingOut: ${counts(3, 4)}`,
    ],
    [
      "the new pods do not become ready in time",
      { total: 4, updated: 1, available: 3, progressing: "ProgressDeadlineExceeded" },
      `False ProgressDeadlineExceeded: ${counts(1, 3)}`,
    ],
    ["a deadline of an earlier spec does not count", { observed: 1, progressing: "ProgressDeadlineExceeded" }, notYet],
    ["more pods than wanted while scaling down", { total: 5, updated: 5, available: 5 }, done],
    ["none is wanted and none is there", { wanted: 0 }, done],
  ])("%s", (_sentence, pods, said) => {
    const deployment = pods === undefined ? undefined : makeDeployment(pods);
    expect(conditionOf("RolloutComplete", { service: makeInferenceService(), deployment })).toBe(said);
  });
});

describe("the rest of the status", () => {
  test("counts pods, names the revision, and says where the model answers", () => {
    const service = makeInferenceService({ generation: 7 });
    const deployment = makeDeployment({ total: 4, ready: 3 });
    expect(computeStatus({ service, deployment }, now)).toMatchObject({
      observedGeneration: 7,
      url: "http://resnet-predictor.vision.svc",
      replicas: 4,
      readyReplicas: 3,
      selector: "serving.plimsoll.dev/inference-service=resnet",
      model: { revision: "0123456789" },
      conditions: [{ observedGeneration: 7 }, { observedGeneration: 7 }],
    });
  });

  test("without a Deployment has counts of 0, so that /scale can be read, and no revision", () => {
    expect(computeStatus({ service: makeInferenceService() }, now)).toMatchObject({
      replicas: 0,
      readyReplicas: 0,
    });
    expect(computeStatus({ service: makeInferenceService() }, now)).not.toHaveProperty("model");
  });

  test("holds the reconciler's conditions alone, and keeps the date of one that did not flip", () => {
    const before = { status: "True" as const, lastTransitionTime: "2026-01-01T00:00:00Z", reason: "x", message: "x" };
    const service = makeInferenceService({
      status: {
        conditions: [
          { type: "Ready", ...before },
          { type: "RolloutComplete", ...before },
          { type: "ScalingActive", ...before },
        ],
      },
    });
    const { conditions } = computeStatus({ service, deployment: makeDeployment({ ready: 3 }) }, now);
    expect(conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
      ["Ready", "2026-01-01T00:00:00Z"],
      ["RolloutComplete", "2026-03-01T12:00:00Z"],
    ]);
  });

  test("says the same of the same world: nothing is written again", () => {
    const input = { service: makeInferenceService(), deployment: makeDeployment({ total: 3, ready: 3 }) };
    const first = computeStatus(input, now);
    const status = { conditions: [...first.conditions] };
    const again = computeStatus({ ...input, service: makeInferenceService({ status }) }, new Date("2027-01-01"));
    expect(again).toEqual(first);
  });
});
