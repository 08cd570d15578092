// When a Deployment is everywhere at its newest revision, and whose counts its status has.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { expect, test } from "vitest";
import { isComplete, rolloutCounts } from "./rollout-counts.ts";

function deployment(status: Deployment["status"], replicas = 2): Deployment {
  return { metadata: { generation: 3 }, spec: { replicas, selector: {}, template: {} }, ...(status && { status }) };
}

const done = { observedGeneration: 3, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

test.each<[string, boolean, Deployment | undefined]>([
  ["all pods are of the newest revision and available", true, deployment(done)],
  ["no replica is wanted and none is there", true, deployment({ observedGeneration: 3 }, 0)],
  ["there is no Deployment", false, undefined],
  ["its controller has said nothing yet", false, deployment(undefined)],
  ["the status is about an earlier spec", false, deployment({ ...done, observedGeneration: 2 })],
  ["a pod of an earlier revision is left", false, deployment({ ...done, replicas: 3 })],
  ["a pod is not available", false, deployment({ ...done, availableReplicas: 1 })],
  ["a pod is missing", false, deployment({ ...done, replicas: 1, updatedReplicas: 1 })],
])("%s: complete is %s", (_what, complete, seen) => {
  expect(isComplete(rolloutCounts(seen))).toBe(complete);
});

test.each([
  ["ProgressDeadlineExceeded", true],
  ["ReplicaSetUpdated", false],
])("progress %s: late is %s", (reason, late) => {
  const conditions = [{ type: "Progressing", status: "True", reason }];
  expect(rolloutCounts(deployment({ ...done, conditions })).late).toBe(late);
});
