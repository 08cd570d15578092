// Which pods must have samples, and which may not have them yet.

import type { Pod } from "kubernetes-types/core/v1.js";
import { expect, test } from "vitest";
import { readyPods } from "./pods.ts";

const nowMs = Date.parse("2026-03-01T12:00:00Z");
const scrapeIntervalSeconds = 2;
/** 5 s of discovery, two scrapes, and the second that Kubernetes rounds away. */
const settleSeconds = 10;

function readyFor(seconds: number, metadata: Pod["metadata"] = {}): Pod {
  const lastTransitionTime = new Date(nowMs - seconds * 1000).toISOString();
  return {
    metadata,
    status: {
      conditions: [
        { type: "PodScheduled", status: "True", lastTransitionTime: "2020-01-01T00:00:00Z" },
        { type: "Ready", status: "True", lastTransitionTime },
      ],
    },
  };
}

function notReady(status: string): Pod {
  return { status: { conditions: [{ type: "Ready", status, lastTransitionTime: "2020-01-01T00:00:00Z" }] } };
}

test.each<[string, Pod[], { expectedPods: number; newPods: number }]>([
  ["no pods", [], { expectedPods: 0, newPods: 0 }],
  ["a pod that has been ready for an hour is expected to report", [readyFor(3600)], { expectedPods: 1, newPods: 0 }],
  ["a pod that became ready this moment is new", [readyFor(0)], { expectedPods: 0, newPods: 1 }],
  [
    "a pod is new until discovery and two scrapes have passed",
    [readyFor(settleSeconds - 0.001)],
    { expectedPods: 0, newPods: 1 },
  ],
  ["a pod is expected from then on", [readyFor(settleSeconds)], { expectedPods: 1, newPods: 0 }],
  ["a pod that became ready by a clock ahead of ours is new", [readyFor(-5)], { expectedPods: 0, newPods: 1 }],
  ["a pod that is not ready does not count", [notReady("False")], { expectedPods: 0, newPods: 0 }],
  ["a pod whose node is silent does not count", [notReady("Unknown")], { expectedPods: 0, newPods: 0 }],
  ["a pod that was just made does not count", [{}, { status: {} }], { expectedPods: 0, newPods: 0 }],
  [
    "a terminating pod does not count, though it answers",
    [readyFor(3600, { deletionTimestamp: "2026-03-01T11:59:59Z" })],
    { expectedPods: 0, newPods: 0 },
  ],
  [
    "a ready pod that does not say since when is expected",
    [{ status: { conditions: [{ type: "Ready", status: "True" }] } }],
    { expectedPods: 1, newPods: 0 },
  ],
  [
    "each pod counts by itself",
    [readyFor(60), readyFor(1), notReady("False"), readyFor(30)],
    { expectedPods: 2, newPods: 1 },
  ],
])("%s", (_sentence, pods, counts) => {
  expect(counted(pods, scrapeIntervalSeconds)).toEqual(counts);
});

test("pods are named", () => {
  const pods = [readyFor(60, { name: "a" }), readyFor(1, { name: "b" }), notReady("False")];
  expect(readyPods(pods, scrapeIntervalSeconds, nowMs)).toEqual({ expected: ["a"], recent: ["b"] });
});

function counted(pods: readonly Pod[], intervalSeconds: number) {
  const { expected, recent } = readyPods(pods, intervalSeconds, nowMs);
  return { expectedPods: expected.length, newPods: recent.length };
}

test("slower scrapes give pods more time", () => {
  expect(counted([readyFor(35)], 2)).toEqual({ expectedPods: 1, newPods: 0 });
  expect(counted([readyFor(35)], 15)).toEqual({ expectedPods: 0, newPods: 1 });
});
