// What is kept of a pod, and which changes of a pod are news.

import type { Pod } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { inferenceServiceLabel, revisionLabel } from "../api/group.ts";
import { isSamePod, podEssence } from "./pod-essence.ts";

const crash = {
  exitCode: 2,
  reason: "Error",
  message: '{"code":"MODEL_NOT_FOUND"}',
  startedAt: "2026-03-01T11:59:00Z",
  finishedAt: "2026-03-01T11:59:05Z",
  containerID: "containerd://abc",
};

/** A pod in a crash loop, as a kubelet writes it. */
function makePod(): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "resnet-predictor-5d4f-abcde",
      namespace: "vision",
      uid: "p1",
      resourceVersion: "7",
      creationTimestamp: "2026-03-01T11:58:00Z",
      labels: { [inferenceServiceLabel]: "resnet", [revisionLabel]: "0123456789", "pod-template-hash": "5d4f" },
      annotations: { note: "x" },
      managedFields: [{ manager: "kubelet" }],
    },
    spec: { containers: [{ name: "server", image: "plimsoll/server:dev" }] },
    status: {
      phase: "Running",
      podIP: "10.244.0.7",
      conditions: [
        { type: "PodScheduled", status: "True", lastTransitionTime: "2026-03-01T11:58:01Z", lastProbeTime: "x" },
        { type: "Initialized", status: "True" },
        { type: "Ready", status: "False", reason: "ContainersNotReady", lastTransitionTime: "2026-03-01T11:58:01Z" },
      ],
      containerStatuses: [
        {
          name: "server",
          ready: false,
          started: false,
          restartCount: 3,
          image: "plimsoll/server:dev",
          imageID: "sha256:1",
          containerID: "containerd://def",
          state: {
            waiting: { reason: "CrashLoopBackOff", message: "back-off 40s restarting failed container=server" },
          },
          lastState: { terminated: crash },
        },
      ],
    },
  };
}

/** The essence of the pod after a change to it. */
function changed(change: (pod: Pod) => void): Pod {
  const pod = makePod();
  change(pod);
  return podEssence(pod);
}

const container = (pod: Pod): object => pod.status?.containerStatuses?.[0] ?? {};

test("keeps names, conditions, container states and times, and nothing else", () => {
  const { containerID: _, ...terminated } = crash;
  expect(podEssence(makePod())).toEqual({
    metadata: {
      name: "resnet-predictor-5d4f-abcde",
      namespace: "vision",
      uid: "p1",
      resourceVersion: "7",
      creationTimestamp: "2026-03-01T11:58:00Z",
      labels: { [inferenceServiceLabel]: "resnet", [revisionLabel]: "0123456789" },
    },
    status: {
      phase: "Running",
      conditions: [
        { type: "PodScheduled", status: "True", lastTransitionTime: "2026-03-01T11:58:01Z" },
        { type: "Ready", status: "False", lastTransitionTime: "2026-03-01T11:58:01Z" },
      ],
      containerStatuses: [
        {
          name: "server",
          ready: false,
          started: false,
          state: { waiting: { reason: "CrashLoopBackOff" } },
          lastState: { terminated },
        },
      ],
    },
  });
});

test("a pod that has no status yet is an empty one", () => {
  expect(podEssence({ metadata: { name: "a", namespace: "b" } })).toEqual({
    metadata: { name: "a", namespace: "b", labels: {} },
    status: {},
  });
});

test("a message is cut at what a kubelet keeps", () => {
  const pod = changed((it) =>
    Object.assign(container(it), { state: { terminated: { exitCode: 1, message: "x".repeat(9_000) } } }),
  );
  expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.message).toHaveLength(4096);
});

describe("is no news:", () => {
  test.each<[string, (pod: Pod) => void]>([
    ["a heartbeat of the kubelet", (pod) => Object.assign(pod.metadata ?? {}, { resourceVersion: "8" })],
    ["a probe's time", (pod) => Object.assign(pod.status?.conditions?.[0] ?? {}, { lastProbeTime: "y" })],
    ["a count of restarts", (pod) => Object.assign(container(pod), { restartCount: 4 })],
    [
      "a back-off that grew",
      (pod) =>
        Object.assign(container(pod), {
          state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 1m20s" } },
        }),
    ],
    ["an annotation", (pod) => Object.assign(pod.metadata ?? {}, { annotations: {} })],
  ])("%s", (_sentence, change) => {
    expect(isSamePod(podEssence(makePod()), changed(change))).toBe(true);
  });
});

describe("is news:", () => {
  test.each<[string, (pod: Pod) => void]>([
    ["a pod that became ready", (pod) => Object.assign(pod.status?.conditions?.[2] ?? {}, { status: "True" })],
    [
      "a pod that is being deleted",
      (pod) => Object.assign(pod.metadata ?? {}, { deletionTimestamp: "2026-03-01T12:00:00Z" }),
    ],
    [
      "a pod that no node takes",
      (pod) =>
        Object.assign(pod.status?.conditions?.[0] ?? {}, { status: "False", reason: "Unschedulable", message: "0/3" }),
    ],
    ["a container that runs", (pod) => Object.assign(container(pod), { state: { running: { startedAt: "x" } } })],
    ["a container that has started", (pod) => Object.assign(container(pod), { started: true })],
    [
      "another failure",
      (pod) =>
        Object.assign(container(pod), { lastState: { terminated: { ...crash, reason: "OOMKilled", exitCode: 137 } } }),
    ],
  ])("%s", (_sentence, change) => {
    expect(isSamePod(podEssence(makePod()), changed(change))).toBe(false);
  });

  test("a pod that came or went", () => {
    expect(isSamePod(undefined, podEssence(makePod()))).toBe(false);
    expect(isSamePod(podEssence(makePod()), undefined)).toBe(false);
  });
});
