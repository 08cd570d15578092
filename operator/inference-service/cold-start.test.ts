// Which pod is measured, and from which of its times.

import type { ContainerStatus, Pod } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { revisionLabel } from "../api/group.ts";
import type { InferenceServiceStatus } from "../api/inference-service-status.ts";
import { makeInferenceService } from "../api/testing.ts";
import { measureColdStart } from "./cold-start.ts";
import { computeStatus } from "./status.ts";

interface Times {
  created?: number;
  scheduled?: number;
  started?: number | undefined;
  ready?: number | undefined;
  again?: boolean;
}

const at = (second: number) => new Date(Date.UTC(2026, 2, 1, 12, 0, second)).toISOString().replace(".000Z", "Z");

/** A pod with these seconds after noon in its status. */
function makePod({ created = 0, scheduled = 1, started = 11, ready = 41, again = false }: Times): Pod {
  const container: Partial<ContainerStatus> = {
    state: { running: { startedAt: at(started) } },
    ...(again && { lastState: { terminated: { exitCode: 1 } } }),
  };
  return {
    metadata: { creationTimestamp: at(created), labels: { [revisionLabel]: "r1" } },
    status: {
      conditions: [
        { type: "PodScheduled", status: "True", lastTransitionTime: at(scheduled) },
        { type: "Ready", status: "True", lastTransitionTime: at(ready) },
      ],
      containerStatuses: [container as ContainerStatus],
    },
  };
}

function notReady(): Pod {
  const pod = makePod({});
  Object.assign(pod.status?.conditions?.[1] ?? {}, { status: "False" });
  return pod;
}

const phases = (pods: readonly Pod[]) => {
  const found = measureColdStart(pods, "r1");
  return found && [found.scheduleSeconds, found.containerSeconds, found.modelSeconds, found.totalSeconds];
};

describe("the cold start", () => {
  test("has its phases, and the revision", () => {
    expect(measureColdStart([makePod({})], "r1")).toEqual({
      revision: "r1",
      scheduleSeconds: 1,
      containerSeconds: 10,
      modelSeconds: 30,
      totalSeconds: 41,
    });
  });

  test.each<[string, Pod[], number[] | undefined]>([
    ["is unknown without a pod", [], undefined],
    ["is unknown while no pod is ready", [notReady()], undefined],
    ["is that of the pod that was ready first", [makePod({ ready: 50 }), makePod({ ready: 31 })], [1, 10, 20, 31]],
    [
      "is not that of a pod that needed another attempt",
      [makePod({ ready: 31, again: true }), makePod({})],
      [1, 10, 30, 41],
    ],
    ["is unknown when clocks contradict each other", [makePod({ scheduled: 12 })], undefined],
    ["may take no time", [makePod({ scheduled: 0, started: 0, ready: 0 })], [0, 0, 0, 0]],
    [
      "is unknown for a pod without times",
      [{ status: { conditions: [{ type: "Ready", status: "True" }] } }],
      undefined,
    ],
  ])("%s", (_sentence, pods, seconds) => {
    expect(phases(pods)).toEqual(seconds);
  });
});

describe("in the status", () => {
  const template = { metadata: { labels: { [revisionLabel]: "r1" } } };
  const measured = (status: InferenceServiceStatus, pods = [makePod({})]) => {
    const input = { service: makeInferenceService({ status }), deployment: { spec: { selector: {}, template } }, pods };
    return computeStatus(input, new Date()).coldStart;
  };
  const coldStart = {
    revision: "r1",
    scheduleSeconds: 1,
    containerSeconds: 10,
    modelSeconds: 30,
    totalSeconds: 41,
  };
  const complete = {
    type: "RolloutComplete",
    status: "True" as const,
    lastTransitionTime: "x",
    reason: "x",
    message: "x",
  };

  test.each([
    ["it is measured when the first pod is ready", {}, coldStart],
    ["it is measured once", { coldStart: { ...coldStart, totalSeconds: 9 } }, { ...coldStart, totalSeconds: 9 }],
    ["it is measured again for another revision", { coldStart: { ...coldStart, revision: "r0" } }, coldStart],
    [
      "it is not measured once the roll-out is complete",
      { model: { revision: "r1" }, conditions: [complete] },
      undefined,
    ],
    [
      "it is measured after another roll-out was complete",
      { model: { revision: "r0" }, conditions: [complete] },
      coldStart,
    ],
  ])("%s", (_sentence, status, expected) => {
    expect(measured(status)).toEqual(expected);
  });

  test("that of the earlier revision stays until the newest has one", () => {
    expect(measured({ coldStart: { ...coldStart, revision: "r0" } }, [])).toEqual({ ...coldStart, revision: "r0" });
  });
});
