// Upgrading the operator restarts no model: the pods of a corpus of specs are compared with what was committed.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Container, PodSpec } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { inferenceServiceLabel, revisionLabel } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import { makeInferenceService } from "../api/testing.ts";
import { makePodTemplate } from "./pod-template.ts";

const settings = { serverImage: "registry.example.com/plimsoll/server:1.0.0" };
const goldens = join(import.meta.dirname, "testdata/pod-template");
const committed = readdirSync(goldens);

const corpus: Record<string, InferenceService> = {
  smallest: makeInferenceService(),
  "requests-only": makeInferenceService({ model: { resources: { requests: { cpu: "500m", memory: "1Gi" } } } }),
  "limits-only": makeInferenceService({ model: { resources: { limits: { cpu: 2 } } } }),
  "requests-and-limits": makeInferenceService({
    model: { resources: { requests: { cpu: 1, memory: "1Gi" }, limits: { cpu: "1500m", memory: "2Gi" } } },
  }),
  "one-gpu": makeInferenceService({ predictor: { accelerator: { product: "NVIDIA-L4" } } }),
  "two-gpus-and-limits": makeInferenceService({
    predictor: { accelerator: { product: "NVIDIA-H100-80GB-HBM3", count: 2 } },
    model: { resources: { limits: { memory: "32Gi" } } },
  }),
  claim: makeInferenceService({ model: { storageUri: "pvc://models/resnet/7/model.onnx" } }),
  "claim-with-dots": makeInferenceService({ model: { storageUri: "pvc://models.v2/resnet.onnx" } }),
  "longest-name": makeInferenceService({ name: "a".repeat(53) }),
};

describe("the pods of an unchanged spec are what they were", () => {
  test("every spec of the corpus has a committed template, and there is no other", () => {
    expect(committed.toSorted()).toEqual(
      Object.keys(corpus)
        .map((name) => `${name}.json`)
        .toSorted(),
    );
  });

  // After a change that is meant to restart every model: vitest -u.
  test.each(Object.entries(corpus))("%s", async (name, service) => {
    const template = makePodTemplate(service, settings);
    await expect(`${JSON.stringify(template, sortKeys, 2)}\n`).toMatchFileSnapshot(join(goldens, `${name}.json`));
  });
});

/** The order of keys restarts nothing. */
function sortKeys(_key: string, value: unknown): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;
}

function podOf(service: InferenceService): { pod: PodSpec; container: Container } {
  const { spec: pod } = makePodTemplate(service, settings);
  if (pod === undefined || pod.containers.length !== 1) throw new Error("a pod has one container");
  return { pod, container: pod.containers[0]! };
}

describe("the revision", () => {
  const revision = (service: InferenceService, image = settings.serverImage) =>
    makePodTemplate(service, { serverImage: image }).metadata?.labels?.[revisionLabel];
  const before = revision(makeInferenceService());

  test.each<[string, InferenceService]>([
    [
      "another model",
      makeInferenceService({ model: { storageUri: "https://models.example.com/resnet/8/model.onnx" } }),
    ],
    ["other resources", makeInferenceService({ model: { resources: { limits: { cpu: 1 } } } })],
    ["a GPU", makeInferenceService({ predictor: { accelerator: { product: "NVIDIA-L4" } } })],
  ])("changes with %s", (_change, service) => {
    expect(revision(service)).not.toBe(before);
  });

  test("changes with the image of the server", () => {
    expect(revision(makeInferenceService(), "other")).not.toBe(before);
  });

  test.each<[string, InferenceService]>([
    ["the bounds of replicas", makeInferenceService({ predictor: { minReplicas: 3, maxReplicas: 30 } })],
    [
      "what replicas follow",
      makeInferenceService({ predictor: { autoScaling: { metrics: [{ type: "RequestRate", target: 9 }] } } }),
    ],
    ["the generation", makeInferenceService({ generation: 9 })],
    ["the status", makeInferenceService({ status: { replicas: 4 } })],
  ])("does not change with %s", (_change, service) => {
    expect(revision(service)).toBe(before);
  });

  test("is the same for a quantity as a number and as text", () => {
    const asNumber = makeInferenceService({ model: { resources: { limits: { cpu: 2 } } } });
    const asText = makeInferenceService({ model: { resources: { limits: { cpu: "2" } } } });
    expect(revision(asNumber)).toBe(revision(asText));
  });

  test("is the same for resources in another order", () => {
    const one = makeInferenceService({ model: { resources: { requests: { cpu: "1", memory: "1Gi" } } } });
    const other = makeInferenceService({ model: { resources: { requests: { memory: "1Gi", cpu: "1" } } } });
    expect(revision(one)).toBe(revision(other));
  });
});

describe.each(Object.entries(corpus))("pod security profile `restricted`: %s", (_name, service) => {
  const { pod, container } = podOf(service);

  test.each<[string, unknown, unknown]>([
    ["shares no network with the node", pod.hostNetwork, undefined],
    ["shares no processes with the node", pod.hostPID, undefined],
    ["shares no memory with the node", pod.hostIPC, undefined],
    ["does not run as root", pod.securityContext?.runAsNonRoot, true],
    ["does not run as user 0", pod.securityContext?.runAsUser === 0, false],
    ["is confined by the runtime's seccomp profile", pod.securityContext?.seccompProfile?.type, "RuntimeDefault"],
    ["sets no sysctls", pod.securityContext?.sysctls, undefined],
    ["is not privileged", container.securityContext?.privileged, undefined],
    ["gains no privileges", container.securityContext?.allowPrivilegeEscalation, false],
    ["has no capabilities", container.securityContext?.capabilities, { drop: ["ALL"] }],
    ["does not undo the pod's settings", container.securityContext?.runAsNonRoot, undefined],
    ["does not undo the pod's seccomp profile", container.securityContext?.seccompProfile, undefined],
    ["takes no port of the node", container.ports?.filter(({ hostPort }) => hostPort !== undefined), []],
    ["mounts only kinds of volumes that are allowed", volumeKinds(pod).difference(allowedVolumes), new Set()],
  ])("%s", (_sentence, found, wanted) => {
    expect(found).toEqual(wanted);
  });

  test("and, beyond the profile, writes nowhere but to /tmp and has no token of the API server", () => {
    expect(container.securityContext?.readOnlyRootFilesystem).toBe(true);
    expect(container.volumeMounts?.filter(({ readOnly }) => readOnly !== true)).toEqual([
      { name: "tmp", mountPath: "/tmp" },
    ]);
    expect(pod.automountServiceAccountToken).toBe(false);
  });
});

const allowedVolumes = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

function volumeKinds(pod: PodSpec): Set<string> {
  return new Set((pod.volumes ?? []).flatMap(Object.keys)).difference(new Set(["name"]));
}

describe("the container", () => {
  const { pod, container } = podOf(makeInferenceService());

  test("is told the name of the model and where it is", () => {
    expect(container.args).toEqual(
      expect.arrayContaining(["--model-name=resnet", "--storage-uri=https://models.example.com/resnet/7/model.onnx"]),
    );
  });

  test("has the time that it is told to take for stopping, and some to spare", () => {
    const told = Number(container.args?.find((arg) => arg.startsWith("--grace-period-seconds="))?.split("=")[1]);
    const delay = Number(container.args?.find((arg) => arg.startsWith("--drain-delay-seconds="))?.split("=")[1]);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(told);
    expect(told).toBeGreaterThan(delay);
  });

  test("is ready and alive by the paths of the Open Inference Protocol, on a port that it has", () => {
    const paths = [container.startupProbe, container.readinessProbe, container.livenessProbe].map((p) => p?.httpGet);
    expect(paths).toEqual([
      { path: "/v2/health/ready", port: "http" },
      { path: "/v2/health/ready", port: "http" },
      { path: "/v2/health/live", port: "http" },
    ]);
    expect(container.ports?.map(({ name }) => name)).toEqual(["http", "grpc"]);
  });

  test("without resources in the spec asks for none", () => {
    expect(container.resources).toBeUndefined();
  });

  test("of a model on a claim mounts that claim, read-only, where the server looks for it", () => {
    const claimed = podOf(makeInferenceService({ model: { storageUri: "pvc://models.v2/resnet/7.onnx" } }));
    expect(claimed.pod.volumes).toContainEqual({
      name: "model",
      persistentVolumeClaim: { claimName: "models.v2", readOnly: true },
    });
    expect(claimed.container.volumeMounts).toContainEqual({
      name: "model",
      mountPath: "/mnt/pvc/models.v2",
      readOnly: true,
    });
  });

  test("with a GPU is limited to it, next to the limits of the spec, and goes where such GPUs are", () => {
    const { pod: placed, container: limited } = podOf(
      makeInferenceService({
        predictor: { accelerator: { product: "NVIDIA-L4", count: 2 } },
        model: { resources: { limits: { memory: "8Gi" } } },
      }),
    );
    expect(limited.resources).toEqual({ limits: { memory: "8Gi", "nvidia.com/gpu": "2" } });
    expect(placed.nodeSelector).toEqual({ "nvidia.com/gpu.product": "NVIDIA-L4" });
    expect(placed.tolerations).toEqual([{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }]);
  });
});

test("pods carry the labels that Prometheus and people look for", () => {
  const { labels } = makePodTemplate(makeInferenceService(), settings).metadata ?? {};
  expect(labels).toEqual({
    "app.kubernetes.io/name": "plimsoll-server",
    "app.kubernetes.io/instance": "resnet",
    "app.kubernetes.io/managed-by": "plimsoll",
    [inferenceServiceLabel]: "resnet",
    [revisionLabel]: expect.stringMatching(/^[0-9a-f]{10}$/),
  });
});
