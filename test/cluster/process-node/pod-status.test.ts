// Tests of pod status: phases and conditions as a kubelet reports them.

import type { Pod, PodSpec } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import type { ContainerRecord } from "./container-record.ts";
import { computePodStatus, type PodSnapshot, podPhase } from "./pod-status.ts";

const states = {
  creating: { state: { waiting: { reason: "ContainerCreating" } } },
  crashed: {
    state: { waiting: { reason: "CrashLoopBackOff" } },
    lastTerminated: { exitCode: 1 },
    containerId: "process://1",
  },
  running: { state: { running: {} }, containerId: "process://1", started: true },
  ready: { state: { running: {} }, containerId: "process://1", started: true, ready: true },
  succeeded: { state: { terminated: { exitCode: 0 } }, containerId: "process://1" },
  failed: { state: { terminated: { exitCode: 1 } }, containerId: "process://1" },
} satisfies Record<string, Partial<ContainerRecord>>;

type StateName = keyof typeof states;

const record = (name: string, state: StateName): ContainerRecord => ({
  name,
  image: "i",
  lastTerminated: undefined,
  containerId: undefined,
  restartCount: 0,
  started: false,
  ready: false,
  ...states[state],
});

interface Case {
  readonly spec?: Partial<PodSpec>;
  readonly init?: readonly StateName[];
  readonly main: readonly StateName[];
  readonly ended?: boolean;
  readonly pod?: Partial<Pod>;
}

function snapshot({ spec, init = [], main, ended = false, pod }: Case): PodSnapshot {
  const initContainers = init.map((_, index) => ({ name: `init-${index}` }));
  return {
    pod: { ...pod, spec: { containers: main.map((_, index) => ({ name: `c-${index}` })), initContainers, ...spec } },
    startedAt: new Date("2026-01-01T00:00:00Z"),
    hostAddress: "10.10.0.1",
    podAddress: "10.244.0.5",
    initContainers: init.map((state, index) => record(`init-${index}`, state)),
    containers: main.map((state, index) => record(`c-${index}`, state)),
    ended,
  };
}

describe("phase", () => {
  const never = { restartPolicy: "Never" };
  const onFailure = { restartPolicy: "OnFailure" };
  const sidecar = { restartPolicy: "Never", initContainers: [{ name: "init-0", restartPolicy: "Always" }] };
  test.each<[string, Case, string]>([
    ["containers that have not started yet are pending", { main: ["creating", "ready"] }, "Pending"],
    ["a running container makes the pod run", { main: ["running"] }, "Running"],
    ["a container that waits for its restart does not make the pod pending", { main: ["crashed"] }, "Running"],
    ["a container that has ended but starts again keeps the pod running", { main: ["failed"] }, "Running"],
    ["success without restart", { spec: never, main: ["succeeded", "succeeded"] }, "Succeeded"],
    ["one failure without restart", { spec: never, main: ["succeeded", "failed"] }, "Failed"],
    ["one still runs", { spec: never, main: ["failed", "running"] }, "Running"],
    ["restart on failure", { spec: onFailure, main: ["failed", "succeeded"] }, "Running"],
    ["no restart after success", { spec: onFailure, main: ["succeeded"] }, "Succeeded"],
    ["an init container is at work", { init: ["running"], main: ["creating"] }, "Pending"],
    ["an init container fails and starts again", { init: ["failed"], main: ["creating"] }, "Pending"],
    ["an init container fails for good", { spec: never, init: ["failed"], main: ["creating"] }, "Failed"],
    [
      "a sidecar that runs does not keep the pod alive",
      { spec: sidecar, init: ["running"], main: ["succeeded"] },
      "Succeeded",
    ],
    [
      "a sidecar that has ended last does not undo it",
      { spec: sidecar, init: ["succeeded"], main: ["succeeded"] },
      "Succeeded",
    ],
    ["told to end, all well", { main: ["succeeded"], ended: true }, "Succeeded"],
    ["told to end, before anything started", { main: ["creating"], ended: true }, "Failed"],
  ])("%s", (_sentence, input, phase) => {
    // A case that gives init containers of its own gives their names too.
    expect(podPhase(snapshot(input))).toBe(phase);
  });
});

describe("conditions", () => {
  const now = new Date("2026-01-01T00:10:00Z");
  const conditionsOf = (input: Case): Record<string, string> => {
    const { conditions = [] } = computePodStatus(snapshot(input), [], now);
    return Object.fromEntries(
      conditions.map(({ type, status, reason }) => [type, reason === undefined ? status : `${status} ${reason}`]),
    );
  };
  const gated = { spec: { readinessGates: [{ conditionType: "example.com/gate" }] } };

  test.each<[string, Case, string, string]>([
    ["ready containers", { main: ["ready"] }, "True", "True"],
    ["one unready container", { main: ["ready", "running"] }, "False ContainersNotReady", "False ContainersNotReady"],
    ["a readiness gate that is not passed", { ...gated, main: ["ready"] }, "False ReadinessGatesNotReady", "True"],
    [
      "a readiness gate that is passed",
      { ...gated, main: ["ready"], pod: { status: { conditions: [{ type: "example.com/gate", status: "True" }] } } },
      "True",
      "True",
    ],
    [
      "a completed pod",
      { spec: { restartPolicy: "Never" }, main: ["succeeded"] },
      "False PodCompleted",
      "False PodCompleted",
    ],
    ["a failed pod", { spec: { restartPolicy: "Never" }, main: ["failed"] }, "False PodFailed", "False PodFailed"],
  ])("%s", (_sentence, input, ready, containersReady) => {
    expect(conditionsOf(input)).toMatchObject({ Ready: ready, ContainersReady: containersReady });
  });

  test("Initialized waits for the init containers", () => {
    expect(conditionsOf({ init: ["running"], main: ["creating"] })).toMatchObject({
      Initialized: "False ContainersNotInitialized",
    });
    expect(conditionsOf({ init: ["succeeded"], main: ["creating"] })).toMatchObject({ Initialized: "True" });
  });

  test("a condition keeps its transition time until its status changes", () => {
    const before =
      computePodStatus(snapshot({ main: ["running"] }), [], new Date("2026-01-01T00:00:00Z")).conditions ?? [];
    const after = computePodStatus(snapshot({ main: ["ready"] }), before, now).conditions ?? [];
    const times = Object.fromEntries(after.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]));
    expect(times).toMatchObject({ Initialized: "2026-01-01T00:00:00Z", Ready: "2026-01-01T00:10:00Z" });
  });
});

test("container statuses carry what the records say", () => {
  const status = computePodStatus(snapshot({ init: ["succeeded"], main: ["crashed"] }), [], new Date());
  expect(status.initContainerStatuses).toHaveLength(1);
  expect(status.containerStatuses).toEqual([
    {
      name: "c-0",
      image: "i",
      imageID: "i",
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode: 1 } },
      containerID: "process://1",
      ready: false,
      started: false,
      restartCount: 0,
    },
  ]);
});
