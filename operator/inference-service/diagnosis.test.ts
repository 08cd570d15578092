// What is said about pods that do not serve, in the words that the scheduler, the kubelet, the controllers and the server use.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { ContainerStatus, Pod, PodStatus } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { revisionLabel } from "../api/group.ts";
import { diagnose } from "./diagnosis.ts";
import type { Failure } from "./failure.ts";
import { serverFailure } from "./server-failure.ts";

const revision = "0123456789";
const createdAt = "2026-03-01T12:00:00Z";
const startedAt = "2026-03-01T12:01:00Z";
const finishedAt = "2026-03-01T12:02:00Z";

function makePod(status: PodStatus, metadata: Pod["metadata"] = {}): Pod {
  return { metadata: { labels: { [revisionLabel]: revision }, ...metadata }, status };
}

function makeDeployment(refusal?: string): Deployment {
  const conditions =
    refusal === undefined ? [] : [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: refusal }];
  return { metadata: { generation: 2 }, status: { observedGeneration: 2, conditions } };
}

function diagnosisOf(pods: readonly Pod[], deployment = makeDeployment()): string | undefined {
  return said(diagnose({ pods, revision, deployment }));
}

function said(failure: Failure | undefined): string | undefined {
  return failure && `${failure.reason}: ${failure.message}`;
}

/** A pod that the scheduler has this to say about. */
const unplaced = (message: string) =>
  makePod({
    phase: "Pending",
    conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
  });

/** A pod on a node, with a container in this state; `readySince` is when its Ready last changed. */
function placed(container: Partial<ContainerStatus>, readySince = createdAt, ready = false): Pod {
  return makePod({
    phase: "Running",
    conditions: [
      { type: "PodScheduled", status: "True" },
      { type: "Ready", status: ready ? "True" : "False", lastTransitionTime: readySince },
    ],
    containerStatuses: [
      { name: "server", ready, started: ready, image: "", imageID: "", restartCount: 0, ...container },
    ],
  });
}

const waiting = (reason: string, message?: string) =>
  placed({ state: { waiting: { reason, ...(message !== undefined && { message }) } } });

interface End {
  exitCode?: number;
  reason?: string;
  message?: string;
}

/** A pod whose container has ended, and waits to be started again. */
const crashed = ({ exitCode = 2, reason = "Error", message = "" }: End, readySince?: string) =>
  placed(
    {
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: { exitCode, reason, message, startedAt, finishedAt } },
    },
    readySince,
  );

const server = (code: string, message: string, phase = "load") =>
  crashed({ message: `${JSON.stringify({ code, message, phase })}\n` });

describe("a pod that no node takes", () => {
  test.each([
    [
      "no node has the GPU's label",
      "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
      "NoMatchingNode: no node has the labels that the pod asks for: 0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector",
    ],
    [
      "the nodes with the label have no GPU left",
      "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.",
      "AcceleratorsExhausted: no node that the pod may run on has enough free accelerators: 0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't match Pod's node affinity/selector",
    ],
    [
      "a slice of a GPU is a GPU",
      "0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.5gb.",
      "AcceleratorsExhausted: no node that the pod may run on has enough free accelerators: 0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.5gb.",
    ],
    [
      "there is too little memory",
      "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s).",
      "ResourcesExhausted: no node that the pod may run on has enough free resources: 0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s).",
    ],
    [
      "the nodes are full",
      "0/2 nodes are available: 2 Too many pods.",
      "ResourcesExhausted: no node that the pod may run on has enough free resources: 0/2 nodes are available: 2 Too many pods.",
    ],
    [
      "somebody's taint is not tolerated",
      "0/3 nodes are available: 1 node(s) had untolerated taint {team: vision}, 2 node(s) didn't match Pod's node affinity/selector.",
      "UntoleratedTaint: nodes have a taint that the pod does not tolerate: 0/3 nodes are available: 1 node(s) had untolerated taint {team: vision}, 2 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      "the control plane's taint is not what matters",
      "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node affinity/selector.",
      "NoMatchingNode: no node has the labels that the pod asks for: 0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      "every node is tainted",
      "0/2 nodes are available: 2 node(s) had untolerated taint(s).",
      "UntoleratedTaint: every node has a taint that the pod does not tolerate: 0/2 nodes are available: 2 node(s) had untolerated taint(s).",
    ],
    [
      "the claim does not exist",
      '0/1 nodes are available: persistentvolumeclaim "models" not found.',
      'VolumeNotBound: a volume of the pod cannot be bound: 0/1 nodes are available: persistentvolumeclaim "models" not found.',
    ],
    [
      "the claim is not bound",
      "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
      "VolumeNotBound: a volume of the pod cannot be bound: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
    ],
    [
      "the volume is in another zone",
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had volume node affinity conflict.",
      "VolumeNotBound: a volume of the pod cannot be bound: 0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had volume node affinity conflict.",
    ],
    [
      "pods may not be nearer to each other",
      "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.",
      "PlacementUnsatisfied: spread or affinity rules leave no node for the pod: 0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.",
    ],
    [
      "another scheduler's gate holds it",
      "Scheduling is blocked due to non-empty scheduling gates",
      "Unschedulable: the pod is not placed on a node: Scheduling is blocked due to non-empty scheduling gates",
    ],
  ])("%s", (_sentence, message, diagnosis) => {
    expect(diagnosisOf([unplaced(message)])).toBe(diagnosis);
  });
});

describe("a pod that is not made", () => {
  test("for a quota, without the pod's name, which is another one each time", () => {
    const refusal =
      'pods "resnet-predictor-6b8d-x7k2p" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2';
    expect(diagnosisOf([], makeDeployment(refusal))).toBe(
      "QuotaExceeded: a quota of the namespace forbids another pod: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2",
    );
  });

  test("for another reason", () => {
    const refusal = 'pods "resnet-predictor-6b8d-x7k2p" is forbidden: violates PodSecurity "restricted:latest"';
    expect(diagnosisOf([], makeDeployment(refusal))).toBe(
      'PodRefused: a pod cannot be created: violates PodSecurity "restricted:latest"',
    );
  });

  test("was not made for an earlier spec", () => {
    const { status } = makeDeployment("exceeded quota");
    expect(diagnosisOf([], { metadata: { generation: 3 }, ...(status && { status }) })).toBeUndefined();
  });
});

describe("a container that does not start", () => {
  test.each([
    [
      "its Secret does not exist",
      waiting("CreateContainerConfigError", 'secret "s3-credentials" not found'),
      'MissingSecretOrConfigMap: the pod names a Secret or ConfigMap that is not there: secret "s3-credentials" not found',
    ],
    [
      "its Secret has no such key",
      waiting("CreateContainerConfigError", "couldn't find key token in Secret vision/hub"),
      "MissingSecretOrConfigMap: the pod names a Secret or ConfigMap that is not there: couldn't find key token in Secret vision/hub",
    ],
    [
      "its image would run as root",
      waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
      "ContainerConfigInvalid: the container's configuration cannot be made: container has runAsNonRoot and image will run as root",
    ],
    [
      "its image cannot be pulled",
      waiting("ErrImagePull", 'failed to resolve reference "example.com/server:9": not found'),
      'ImagePullFailed: the image cannot be pulled: failed to resolve reference "example.com/server:9": not found',
    ],
    [
      "its image cannot be pulled, and the kubelet waits before it tries again",
      waiting(
        "ImagePullBackOff",
        'Back-off pulling image "example.com/server:9": ErrImagePull: failed to resolve reference "example.com/server:9": not found',
      ),
      'ImagePullFailed: the image cannot be pulled: failed to resolve reference "example.com/server:9": not found',
    ],
    [
      "an earlier kubelet waits before it pulls again",
      waiting("ImagePullBackOff", 'Back-off pulling image "example.com/server:9"'),
      "ImagePullFailed: the image cannot be pulled",
    ],
    [
      "its image's name is none",
      waiting("InvalidImageName", 'Failed to apply default image tag "A:b:c": invalid reference format'),
      'ImageNameInvalid: the image\'s name is not valid: Failed to apply default image tag "A:b:c": invalid reference format',
    ],
    [
      "its runtime refuses it",
      waiting("RunContainerError", "failed to create containerd task: no such device"),
      "ContainerStartFailed: the container cannot be started: failed to create containerd task: no such device",
    ],
    [
      "its command does not exist",
      crashed({ exitCode: 128, reason: "StartError", message: 'exec: "serve": executable file not found in $PATH' }),
      'ContainerStartFailed: the container cannot be started: exec: "serve": executable file not found in $PATH',
    ],
  ])("%s", (_sentence, pod, diagnosis) => {
    expect(diagnosisOf([pod])).toBe(diagnosis);
  });
});

describe("a container that ended", () => {
  const outOfMemory = { exitCode: 137, reason: "OOMKilled" };

  test.each([
    [
      "out of memory before it was ready",
      crashed(outOfMemory),
      "OutOfMemoryWhileLoading: the container took more memory than its limit before the model was loaded",
    ],
    [
      "out of memory while it was ready",
      crashed(outOfMemory, finishedAt),
      "OutOfMemoryWhileServing: the container took more memory than its limit while it answered requests",
    ],
    [
      "out of memory as it loaded again, after it was ready in an earlier run",
      crashed(outOfMemory, "2026-03-01T12:00:30Z"),
      "OutOfMemoryWhileLoading: the container took more memory than its limit before the model was loaded",
    ],
    [
      "with the last error of its log",
      crashed({
        exitCode: 1,
        message: "start\nTypeError: x is not a function\n    at main.ts:1\n\nNode.js v24.12.0\n",
      }),
      "ContainerCrashed: the container ended with exit code 1: TypeError: x is not a function",
    ],
    [
      "with the last message of the server's log, without its time",
      crashed({
        exitCode: 1,
        message: '{"level":30,"time":1,"msg":"a"}\n{"level":60,"time":2,"msg":"ending at once"}',
      }),
      "ContainerCrashed: the container ended with exit code 1: ending at once",
    ],
    ["with nothing to say", crashed({ exitCode: 139 }), "ContainerCrashed: the container ended with exit code 139"],
    [
      "well, which a server never should",
      crashed({ exitCode: 0, reason: "Completed" }),
      "ContainerCrashed: the container ended with exit code 0",
    ],
    [
      "and is on its next attempt",
      placed({
        state: { running: { startedAt: finishedAt } },
        lastState: { terminated: { exitCode: 1, message: "bang", startedAt, finishedAt } },
      }),
      "ContainerCrashed: the container ended with exit code 1: bang",
    ],
    [
      "a moment ago",
      placed({ state: { terminated: { exitCode: 1, message: "bang", startedAt, finishedAt } } }),
      "ContainerCrashed: the container ended with exit code 1: bang",
    ],
  ])("%s", (_sentence, pod, diagnosis) => {
    expect(diagnosisOf([pod])).toBe(diagnosis);
  });

  test("long ago is no reason for a pod that came up since", () => {
    const lastState = { terminated: { exitCode: 1, message: "bang", startedAt, finishedAt } };
    const running = { state: { running: { startedAt: finishedAt } }, lastState, started: true };
    expect(diagnosisOf([placed(running)])).toBeUndefined();
    expect(diagnosisOf([placed({ ...running, ready: true }, finishedAt, true)])).toBeUndefined();
  });

  test("as an init container should is done", () => {
    const state = { terminated: { exitCode: 0, reason: "Completed", startedAt, finishedAt } };
    const init = { name: "init", ready: false, image: "", imageID: "", restartCount: 0, state };
    const { status } = placed({ state: { waiting: { reason: "PodInitializing" } } });
    expect(diagnosisOf([makePod({ ...status, initContainerStatuses: [init] })])).toBeUndefined();
  });
});

describe("what the server says", () => {
  test.each([
    [
      "the checksum is another one",
      server("CHECKSUM_MISMATCH", "sha256 is 1a, expected 2b", "download"),
      "ChecksumMismatch: the model could not be downloaded: sha256 is 1a, expected 2b",
    ],
    [
      "the storage is away",
      server("STORAGE_UNAVAILABLE", "GET https://u:p@models.example.com/m.onnx?sig=1 failed", "download"),
      "StorageUnavailable: the model could not be downloaded: GET https://models.example.com/m.onnx failed",
    ],
    [
      "the model is damaged",
      server("MODEL_INVALID", "Load model failed: Protobuf parsing failed."),
      "ModelInvalid: the model could not be loaded: Load model failed: Protobuf parsing failed.",
    ],
    [
      "an operator is unknown",
      server("MODEL_INVALID", "Fatal error: com.example:Fancy(-1) is not a registered function/op"),
      "UnsupportedOperator: the model could not be loaded: Fatal error: com.example:Fancy(-1) is not a registered function/op",
    ],
    [
      "an operator has no code",
      server("MODEL_INVALID", "Could not find an implementation for Mod(13) node with name ''"),
      "UnsupportedOperator: the model could not be loaded: Could not find an implementation for Mod(13) node with name ''",
    ],
    [
      "the first run fails",
      server("INTERNAL", "Non-zero status code", "warm-up"),
      "WarmUpFailed: the model did not pass its warm-up: Non-zero status code",
    ],
    [
      "the model has other inputs than were promised",
      server("CONTRACT_MISMATCH", "input x is missing", "warm-up"),
      "ContractMismatch: the model did not pass its warm-up: input x is missing",
    ],
    [
      "requests were still in progress",
      server("GRACE_PERIOD_EXCEEDED", "40 s after SIGTERM", "stop"),
      "ServerFailed: the server did not stop in order: 40 s after SIGTERM",
    ],
    [
      "a code that a newer server gives",
      server("LICENSE_MISSING", "none found", "licence"),
      "ServerFailed: the server failed: none found",
    ],
  ])("%s", (_sentence, pod, diagnosis) => {
    expect(diagnosisOf([pod])).toBe(diagnosis);
  });

  test("keeps its code", () => {
    const [pod] = [server("CHECKSUM_MISMATCH", "no", "download")];
    expect(diagnose({ pods: [pod], revision, deployment: makeDeployment() })?.code).toBe("CHECKSUM_MISMATCH");
  });

  test.each([
    ["no JSON", "Segmentation fault"],
    ["half an object", '{"code":"MODEL_INVALID","mess'],
    ["a code that is none", '{"code":"<b>","message":"x","phase":"load"}'],
    ["a message that is no text", '{"code":"A","message":{},"phase":"load"}'],
    ["another object", '{"level":60,"msg":"x"}'],
  ])("is not believed when it is %s", (_sentence, text) => {
    expect(serverFailure(text)).toBeUndefined();
  });

  test("has a reason for each of the server's codes", () => {
    const source = readFileSync(join(import.meta.dirname, "../../server-image/load-error.ts"), "utf8");
    const codes = [...source.matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map(([, code = ""]) => code);
    const reasons = codes.map((code) => serverFailure(JSON.stringify({ code, message: "", phase: "load" }))?.reason);
    expect(codes.length).toBeGreaterThanOrEqual(16);
    expect(reasons.filter((reason) => reason === undefined || reason === "ServerFailed")).toEqual([]);
    expect(new Set(reasons).size).toBe(codes.length);
  });
});

describe("of several pods", () => {
  const noGpu = unplaced("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.");
  const broken = server("MODEL_INVALID", "bad");

  test("a container's failure says more than one of placement, in whatever order", () => {
    expect(diagnosisOf([noGpu, broken])).toMatch(/^ModelInvalid/);
    expect(diagnosisOf([broken, noGpu])).toMatch(/^ModelInvalid/);
  });

  test("equal ones are told in the order of their words", () => {
    const another = server("MODEL_INVALID", "also bad");
    expect(diagnosisOf([broken, another])).toBe(diagnosisOf([another, broken]));
  });

  test("those of another revision, and those that are being deleted, do not count", () => {
    const { status = {} } = broken;
    const earlier = makePod(status, { labels: { [revisionLabel]: "f" } });
    expect(diagnosisOf([earlier, makePod(status, { deletionTimestamp: finishedAt })])).toBeUndefined();
  });

  test("an evicted one counts while there is no other", () => {
    const message = "The node was low on resource: ephemeral-storage.";
    const evicted = makePod({ phase: "Failed", reason: "Evicted", message });
    expect(diagnosisOf([evicted])).toBe(`PodFailed: the node gave up the pod (Evicted): ${message}`);
    expect(diagnosisOf([evicted, waiting("ContainerCreating")])).toBeUndefined();
  });
});

test.each([
  ["a pod that was just made", makePod({ phase: "Pending" })],
  ["a pod whose image is being pulled", waiting("ContainerCreating")],
  ["a pod that loads", placed({ state: { running: { startedAt } } })],
  ["a pod that serves", placed({ state: { running: { startedAt } } }, startedAt, true)],
])("%s has nothing wrong with it", (_sentence, pod) => {
  expect(diagnosisOf([pod])).toBeUndefined();
});
