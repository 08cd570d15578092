// What the status says for every state of the pods: whether the service is ready, and whether its newest revision is out.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
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
    [
      "an earlier revision serves",
      least(2),
      { total: 3, ready: 2, updated: 1 },
      "True ServingEarlierRevision: 2 replicas are ready, none of them of the newest revision",
    ],
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

/** A pod of the newest revision, unless told otherwise. */
function makePod(state: {
  ready?: boolean;
  started?: boolean;
  crashed?: boolean;
  deleted?: boolean;
  revision?: string;
}): Pod {
  const { ready = false, started = ready, crashed = false, deleted = false, revision = "0123456789" } = state;
  const ended = {
    exitCode: 2,
    message: JSON.stringify({ code: "MODEL_NOT_FOUND", message: "404", phase: "download" }),
  };
  return {
    metadata: { labels: { [revisionLabel]: revision }, ...(deleted && { deletionTimestamp: "2026-03-01T11:59:00Z" }) },
    status: {
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      containerStatuses: [
        {
          name: "server",
          ready,
          started,
          image: "",
          imageID: "",
          restartCount: 0,
          state: {},
          ...(crashed && { lastState: { terminated: ended } }),
        },
      ],
    },
  };
}

const notFound = "the model could not be downloaded: 404";

describe("whoever waits for Ready after an edit", () => {
  /** The third spec, of a service whose status was last written for the second. */
  const edited = (before?: { status: "True" | "False"; observedGeneration: number }) =>
    makeInferenceService({
      generation: 3,
      predictor: { minReplicas: 1 },
      ...(before && {
        status: {
          conditions: [
            { type: "Ready", lastTransitionTime: "2026-01-01T00:00:00Z", reason: "x", message: "x", ...before },
          ],
        },
      }),
    });
  const wasReady = { status: "True", observedGeneration: 2 } as const;

  test.each<
    [string, { before?: Parameters<typeof edited>[0]; is: Pods; pods?: Pod[]; paused?: boolean; about: number }]
  >([
    [
      "waits until the Deployment's controller has seen the edit",
      { before: wasReady, is: { observed: 1, total: 1, updated: 1, ready: 1 }, about: 2 },
    ],
    ["waits while no pod of the new revision is made", { before: wasReady, is: { total: 1, ready: 1 }, about: 2 }],
    ["waits while only earlier pods are ready", { before: wasReady, is: { total: 2, updated: 1, ready: 1 }, about: 2 }],
    [
      "waits although earlier pods have become ready again",
      { before: { status: "False", observedGeneration: 3 }, is: { total: 2, updated: 1, ready: 1 }, about: 2 },
    ],
    ["waits when nothing is known of the past", { is: { total: 2, updated: 1, ready: 1 }, about: 2 }],
    [
      "goes on once more are ready than earlier ones exist",
      { before: wasReady, is: { total: 2, updated: 1, ready: 2 }, about: 3 },
    ],
    [
      "goes on once a pod of the new revision is ready",
      { before: wasReady, is: { total: 4, updated: 1, ready: 2 }, pods: [makePod({ ready: true })], about: 3 },
    ],
    [
      "does not take an earlier revision's pod for it",
      {
        before: wasReady,
        is: { total: 4, updated: 1, ready: 2 },
        pods: [makePod({ ready: true, revision: "f" })],
        about: 2,
      },
    ],
    [
      "nor one that is being deleted",
      {
        before: wasReady,
        is: { total: 4, updated: 1, ready: 2 },
        pods: [makePod({ ready: true, deleted: true })],
        about: 2,
      },
    ],
    [
      "goes on at once when the edit changes no pod",
      { before: wasReady, is: { total: 1, updated: 1, ready: 1 }, about: 3 },
    ],
    [
      "is not held by a pod that was served before and is replaced",
      { before: { status: "True", observedGeneration: 3 }, is: { total: 2, updated: 1, ready: 1 }, about: 3 },
    ],
    [
      "waits while the service is paused",
      { before: wasReady, is: { total: 1, updated: 1, ready: 1 }, paused: true, about: 2 },
    ],
    ["hears about the new spec when nothing serves", { before: wasReady, is: { total: 1 }, about: 3 }],
  ])("%s", (_sentence, { before, is, pods = [], paused, about }) => {
    const input = { service: edited(before), deployment: makeDeployment(is), pods, paused };
    const { conditions } = computeStatus(input, now);
    expect(conditions.find(({ type }) => type === "Ready")?.observedGeneration).toBe(about);
  });
});

describe("a failure of the newest revision", () => {
  const deployment = makeDeployment({ wanted: 1, total: 2, updated: 1, ready: 1, available: 1 });
  const pods = [makePod({ crashed: true }), makePod({ ready: true, revision: "f" })];
  const failed = (service = makeInferenceService(), time = now) => computeStatus({ service, deployment, pods }, time);

  test.each([
    ["Ready", "True ServingEarlierRevision: 1 replica is ready, none of them of the newest revision"],
    ["ModelReady", `False ModelNotFound: ${notFound}`],
    ["RolloutComplete", `False ModelNotFound: ${notFound}`],
    ["Reconciling", `True ModelNotFound: ${notFound}`],
  ])("is what %s says", (type, said) => {
    expect(conditionOf(type, { service: makeInferenceService(), deployment, pods })).toBe(said);
  });

  test("is why too few replicas are ready", () => {
    const input = { service: makeInferenceService(), deployment: makeDeployment({ total: 1, updated: 1 }), pods };
    expect(conditionOf("Ready", input)).toBe(`False ModelNotFound: 0 of at least 1 replicas are ready: ${notFound}`);
  });

  test("stalls the service when the time is up", () => {
    const late = makeDeployment({ total: 2, updated: 1, ready: 1, progressing: "ProgressDeadlineExceeded" });
    const input = { service: makeInferenceService(), deployment: late, pods };
    expect(conditionOf("Stalled", input)).toBe(`True ProgressDeadlineExceeded: not in time: ${notFound}`);
    expect(computeStatus(input, now).conditions.map(({ type }) => type)).not.toContain("Reconciling");
  });

  const lastFailure = {
    revision: "0123456789",
    reason: "ModelNotFound",
    code: "MODEL_NOT_FOUND",
    message: notFound,
    time: "2026-03-01T12:00:00Z",
  };
  const later = new Date("2026-03-01T13:00:00Z");

  test("is kept in the status with its time", () => {
    expect(failed().model).toEqual({ revision: "0123456789", lastFailure });
  });

  test.each([
    ["keeps its time while it is the same", lastFailure, lastFailure],
    [
      "is a new one for another revision",
      { ...lastFailure, revision: "f" },
      { ...lastFailure, time: "2026-03-01T13:00:00Z" },
    ],
    [
      "is a new one in other words",
      { ...lastFailure, message: "403" },
      { ...lastFailure, time: "2026-03-01T13:00:00Z" },
    ],
  ])("%s", (_sentence, before, after) => {
    const service = makeInferenceService({ status: { model: { lastFailure: before } } });
    expect(failed(service, later).model?.lastFailure).toEqual(after);
  });

  test("is remembered after the recovery", () => {
    const service = makeInferenceService({ status: { model: { lastFailure } } });
    expect(computeStatus({ service, deployment, pods: [makePod({ ready: true })] }, later).model).toEqual({
      revision: "0123456789",
      lastFailure,
    });
  });
});

describe("ModelReady", () => {
  const loading = "Unknown Loading: no pod of the newest revision has loaded the model yet";
  const loaded = "True Loaded: a pod has loaded revision 0123456789";
  const asleep = "Unknown NoReplicas: no replica is wanted, so no pod loads the model";
  const before = (status: "True" | "Unknown", revision: string) =>
    makeInferenceService({
      status: {
        model: { revision },
        conditions: [{ type: "ModelReady", status, lastTransitionTime: "x", reason: "x", message: "x" }],
      },
    });

  test.each<[string, { service?: ReturnType<typeof before>; wanted?: number; pods?: Pod[]; said: string }]>([
    ["there is no pod yet", { said: loading }],
    ["a pod is loading", { pods: [makePod({})], said: loading }],
    ["a pod has started, and is too busy to be ready", { pods: [makePod({ started: true })], said: loaded }],
    [
      "one pod is ready, and another one crashed",
      { pods: [makePod({ crashed: true }), makePod({ ready: true })], said: loaded },
    ],
    ["only an earlier revision's pod is ready", { pods: [makePod({ ready: true, revision: "f" })], said: loading }],
    ["it sleeps, having loaded this revision", { service: before("True", "0123456789"), wanted: 0, said: loaded }],
    ["it sleeps, having loaded another revision", { service: before("True", "f"), wanted: 0, said: asleep }],
    ["it sleeps, and has never loaded", { service: before("Unknown", "0123456789"), wanted: 0, said: asleep }],
  ])("%s", (_sentence, { service = makeInferenceService(), wanted = 1, pods = [], said }) => {
    expect(conditionOf("ModelReady", { service, deployment: makeDeployment({ wanted }), pods })).toBe(said);
  });
});

describe("for programs that know kstatus", () => {
  const typesOf = (input: Partial<StatusInput>) =>
    computeStatus({ service: makeInferenceService(), ...input }, now).conditions.map(
      ({ type, reason }) => `${type} ${reason}`,
    );
  const blocked = (reason: "InvalidSpec" | "ChildNotControlled" | "ChildRefused") => ({
    blocked: finding("Ready", "False", reason, "no"),
  });

  test("neither Reconciling nor Stalled is there when all is done", () => {
    const done = makeDeployment({ total: 3, updated: 3, available: 3, ready: 3 });
    expect(typesOf({ deployment: done }).join()).not.toMatch(/Reconciling|Stalled/);
  });

  test.each([
    ["a new service", {}, "Reconciling RollingOut"],
    ["what a person has to mend in the spec", blocked("InvalidSpec"), "Stalled InvalidSpec"],
    ["what a person has to mend elsewhere", blocked("ChildNotControlled"), "Stalled ChildNotControlled"],
    ["what may be allowed any time", blocked("ChildRefused"), "Reconciling ChildRefused"],
  ])("%s has one of them", (_sentence, input, wanted) => {
    expect(typesOf(input).filter((type) => /^(?:Reconciling|Stalled) /.test(type))).toEqual([wanted]);
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

describe("a revision that was rolled back", () => {
  const lastFailure = {
    revision: "new",
    reason: "ModelNotFound",
    message: "the model could not be downloaded: 404",
    code: "NOT_FOUND",
    time: "2026-03-01T11:59:00Z",
  };
  const model = { revision: "new", servingRevision: "0123456789", pendingRevision: "new", attempts: 1 };
  const service = makeInferenceService({
    generation: 5,
    status: {
      model: { ...model, lastFailure },
      conditions: [
        {
          type: "Ready",
          status: "True",
          observedGeneration: 4,
          reason: "Serving",
          message: "",
          lastTransitionTime: "2026-01-01T00:00:00Z",
        },
      ],
    },
  });
  const deployment = makeDeployment({ total: 3, updated: 3, ready: 3, available: 3 });
  const rollout = {
    deployment,
    revision: "new",
    model: { servingRevision: "0123456789", pendingRevision: "new", attempts: 1 },
    isRolledBack: true,
    failure: { reason: "ModelNotFound", message: lastFailure.message, code: "NOT_FOUND" },
    finding: finding("RolloutComplete", "False", "RolledBack", "why"),
  } as const;
  const pods = [makePod({ ready: true })];

  test("leaves the service ready, for the earlier spec, and says what failed", () => {
    const status = computeStatus({ service, deployment, pods, rollout }, now);
    const said = Object.fromEntries(status.conditions.map((c) => [c.type, `${c.status} ${c.reason}`]));
    expect(said).toEqual({
      Ready: "True ServingEarlierRevision",
      ModelReady: "False ModelNotFound",
      RolloutComplete: "False RolledBack",
      Stalled: "True RolledBack",
    });
    expect(status.conditions[0]?.observedGeneration).toBe(4);
    expect(status.model).toEqual({ ...model, lastFailure });
  });

  test("has its failure in the status although its pods went before they could be looked at again", () => {
    const unaware = makeInferenceService({ generation: 5, status: { model } });
    const { model: seen } = computeStatus({ service: unaware, deployment, pods, rollout }, now);
    expect(seen?.lastFailure).toEqual({ ...lastFailure, time: "2026-03-01T12:00:00Z" });
  });

  test("is remembered while nothing is decided, because the service is paused", () => {
    const status = computeStatus({ service, deployment, pods, paused: true }, now);
    expect(status.model).toMatchObject({ servingRevision: "0123456789", pendingRevision: "new", attempts: 1 });
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
      conditions: expect.arrayContaining([expect.objectContaining({ type: "RolloutComplete", observedGeneration: 7 })]),
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
    const deployment = makeDeployment({ total: 3, updated: 3, ready: 3, available: 2 });
    const { conditions } = computeStatus({ service, deployment }, now);
    expect(conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
      ["Ready", "2026-01-01T00:00:00Z"],
      ["ModelReady", "2026-03-01T12:00:00Z"],
      ["RolloutComplete", "2026-03-01T12:00:00Z"],
      ["Reconciling", "2026-03-01T12:00:00Z"],
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
