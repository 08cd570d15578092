// What the autoscaler says about a service, and what of it is worth a write.

import { describe, expect, test } from "vitest";
import type { InferenceServiceStatus } from "../api/inference-service-status.ts";
import { makeInferenceService } from "../api/testing.ts";
import { type Decision, decide, initialState } from "../scaling/decide.ts";
import type { Observation } from "../scaling/observation.ts";
import { policyOf } from "../scaling/policy.ts";
import { type Signal, unknownSignal } from "../scaling/signal.ts";
import { computeAutoscalingStatus, differs, type StatusInput } from "./status.ts";

const now = new Date("2026-03-01T12:00:00Z");
const nowMs = now.getTime();
const settled = { history: [], coveredSinceMs: 0 };

interface Situation {
  rate?: Signal;
  queue?: Signal;
  pods?: Partial<Observation>;
  state?: Decision["state"];
  metrics?: object[];
  status?: InferenceServiceStatus;
  generation?: number;
  change?: StatusInput["change"];
  foreignProvider?: string;
}

function known(value: number, reportingPods = 3): Signal {
  return { known: true, value, reportingPods };
}

const metrics = [
  { type: "RequestRate", target: 10 },
  { type: "QueueDepth", target: "2500m" },
];

function statusOf(situation: Situation = {}) {
  const { rate = known(25), queue = known(0), pods, state = settled, change, foreignProvider, ...rest } = situation;
  const service = makeInferenceService({
    predictor: { autoScaling: { metrics: rest.metrics ?? metrics } },
    generation: rest.generation ?? 1,
    ...(rest.status === undefined ? {} : { status: rest.status }),
  });
  const policy = policyOf(service.spec, 8);
  const signals = { RequestRate: rate, QueueDepth: queue };
  const observed = { signals, currentReplicas: 3, previousFloor: 1, expectedPods: 3, newPods: 0, ...pods };
  const decision = decide(policy, observed, state, nowMs);
  return computeAutoscalingStatus({ service, policy, signals, decision, change, foreignProvider }, now);
}

/** As it comes back from the API server. */
function stored(situation: Situation = {}): InferenceServiceStatus {
  const { autoScaling, conditions } = statusOf(situation);
  return { autoScaling, conditions: [...conditions] };
}

const refused = unknownSignal("PrometheusUnreachable", "connection refused");
const noSamples = unknownSignal("NoSamples", "none");

describe("the part about scaling", () => {
  test("names the count, the reason, the winner and each signal with value, target and proposal", () => {
    expect(statusOf({ rate: known(25.25) }).autoScaling).toEqual({
      desiredReplicas: 3,
      reason: "RequestRate 25.3/s at 10/s per replica asks for 3",
      winner: "RequestRate",
      signals: [
        { type: "RequestRate", value: "25250m", target: "10", proposal: 3 },
        { type: "QueueDepth", value: "0", target: "2500m", proposal: 0 },
      ],
      lastChanges: [],
    });
  });

  test("names the limit that won", () => {
    expect(statusOf({ rate: known(250) }).autoScaling).toMatchObject({ desiredReplicas: 10, limit: "maxReplicas" });
  });

  test("says unknown, without a proposal, of a signal that is", () => {
    expect(statusOf({ rate: refused }).autoScaling.signals?.[0]).toEqual({
      type: "RequestRate",
      value: "unknown",
      target: "10",
    });
  });

  test("leaves out signals that replicas do not follow", () => {
    expect(statusOf({ metrics: [{ type: "QueueDepth", target: 4 }] }).autoScaling.signals).toMatchObject([
      { type: "QueueDepth" },
    ]);
  });

  test("puts a change first, dated and with its reason, and keeps the last five", () => {
    const lastChanges = [1, 2, 3, 4, 5].map((to) => ({ time: "2026-01-01T00:00:00Z", from: 0, to, reason: `${to}` }));
    const changes = statusOf({ status: { autoScaling: { lastChanges } }, change: { from: 1, to: 3 } }).autoScaling
      .lastChanges;
    expect(changes?.[0]).toEqual({
      time: "2026-03-01T12:00:00Z",
      from: 1,
      to: 3,
      reason: "RequestRate 25/s at 10/s per replica asks for 3",
    });
    expect(changes?.slice(1)).toEqual(lastChanges.slice(0, 4));
  });
});

describe("the conditions", () => {
  const atStart: Situation = {
    rate: noSamples,
    queue: noSamples,
    pods: { expectedPods: 0, newPods: 1 },
    state: initialState,
  };

  test.each<[string, Situation, [string, string]]>([
    ["all is well", {}, ["True SignalsFresh", "True Scaling"]],
    ["pods became ready a moment ago", { pods: { newPods: 2 } }, ["True SignalsFresh", "True Scaling"]],
    ["no pod has been ready for long enough", atStart, ["Unknown WaitingForFirstSamples", "True RecoveringFromGap"]],
    ["Prometheus is away", { rate: refused, queue: refused }, ["False PrometheusUnreachable", "False MetricsUnknown"]],
    ["pods do not report", { rate: known(25, 2) }, ["False PartialSamples", "False MetricsUnknown"]],
    [
      "the windows are not full again, and that keeps replicas up",
      { rate: known(5), state: initialState },
      ["True SignalsFresh", "True RecoveringFromGap"],
    ],
    [
      "the windows are not full again, and nothing depends on it",
      { rate: known(25), state: initialState },
      ["True SignalsFresh", "True Scaling"],
    ],
    [
      "another program serves external metrics",
      { foreignProvider: "keda/keda-metrics" },
      ["True SignalsFresh", "False ForeignMetricsProvider"],
    ],
  ])("when %s", (_sentence, situation, expected) => {
    const { conditions } = statusOf(situation);
    expect(conditions.map(({ type }) => type)).toEqual(["MetricsAvailable", "ScalingActive"]);
    expect(conditions.map(({ status, reason }) => `${status} ${reason}`)).toEqual(expected);
  });

  test("name the program that serves external metrics instead", () => {
    expect(statusOf({ foreignProvider: "keda/keda-metrics" }).conditions[1]?.message).toBe(
      "external.metrics.k8s.io is served by keda/keda-metrics: replicas are raised, and nothing lowers them",
    );
  });
});

describe("worth a write", () => {
  test.each<[string, Situation, Situation]>([
    ["the first status of a service", { status: {} }, {}],
    ["another count", {}, { rate: known(35) }],
    ["another target", {}, { metrics: [{ type: "RequestRate", target: 9 }] }],
    ["a signal more", { metrics: metrics.slice(0, 1) }, {}],
    ["signals that became unknown", {}, { rate: refused, queue: refused }],
    ["another reason for being unknown", { rate: refused }, { rate: unknownSignal("StaleSamples", "old") }],
    ["signals that are known again", { rate: refused }, {}],
    ["another provider of external metrics", {}, { foreignProvider: "keda/keda-metrics" }],
    ["another generation", {}, { generation: 2 }],
    ["a change of replicas, though the wanted count is the same", {}, { change: { from: 4, to: 3 } }],
  ])("%s", (_sentence, before, after) => {
    const present = before.status ?? stored(before);
    expect(differs(present, statusOf({ ...after, status: present }))).toBe(true);
  });
});

describe("not worth a write", () => {
  test.each<[string, Situation, Situation]>([
    ["the same", {}, {}],
    ["another winner of the same count", { rate: known(25) }, { rate: known(20), queue: known(7.5) }],
    ["another limit", { rate: known(100) }, { rate: known(101) }],
    ["another value that asks for the same", { rate: known(25) }, { rate: known(26) }],
    ["another proposal of a signal that does not win", { queue: known(1) }, { queue: known(5) }],
    [
      "another sentence for the same reason",
      { rate: known(5), state: initialState },
      { rate: known(6), state: initialState },
    ],
    [
      "another message of the same fault",
      { rate: refused },
      { rate: unknownSignal("PrometheusUnreachable", "timed out") },
    ],
    ["pods that became ready a moment ago", {}, { pods: { newPods: 1 } }],
    ["the other order of the metrics, which the API server may keep", { metrics: metrics.toReversed() }, {}],
  ])("%s", (_sentence, before, after) => {
    const present = stored(before);
    expect(differs(present, statusOf({ ...after, status: present }))).toBe(false);
  });

  test("a change of replicas once it is written", () => {
    const present = stored({ change: { from: 1, to: 3 } });
    expect(differs(present, statusOf({ status: present }))).toBe(false);
  });
});
