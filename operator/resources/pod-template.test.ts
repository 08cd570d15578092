// Upgrading the operator restarts no model: the pods of a corpus of specs are compared with what was committed.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Container, PodSpec } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { inferenceServiceLabel, revisionLabel } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import { inferenceServiceSpecSchema } from "../api/inference-service-spec.ts";
import { serverFlags } from "../api/server-parameters.ts";
import { structuralSchema } from "../api/structural-schema.ts";
import { makeInferenceService } from "../api/testing.ts";
import { makePodTemplate } from "./pod-template.ts";

const settings = { serverImage: "registry.example.com/plimsoll/server:1.0.0" };
const goldens = join(import.meta.dirname, "testdata/pod-template");
const committed = readdirSync(goldens);

const otherDevice = { resourceName: "amd.com/gpu", count: 2, nodeSelector: { pool: "amd" } };

const everyModelField = {
  storageUri: "s3://models/resnet/7/model.onnx",
  name: "resnet-50",
  sha256: "AB".repeat(32),
  credentials: { secretName: "model-storage" },
  download: { timeoutSeconds: 1200, maxSize: "20Gi" },
  server: {
    workers: 2,
    threadsPerWorker: 4,
    maxBatchSize: 16,
    maxBatchDelayMilliseconds: 5,
    calibrationSeconds: 0,
    maxQueueLength: 200,
    maxExpectedWaitMilliseconds: 2000,
    requestTimeoutSeconds: 10,
    runTimeoutSeconds: 60,
    maxBodyBytes: 8_388_608,
    logLevel: "debug",
  },
  image: "registry.example.com/own-server:2",
  args: ["--storage-instance-credentials"],
  env: [
    { name: "AWS_REGION", value: "eu-west-1" },
    { name: "HF_ENDPOINT", valueFrom: { configMapKeyRef: { name: "mirrors", key: "hf" } } },
  ],
  resources: { limits: { memory: "2Gi" } },
  startupProbe: { periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 900 },
  readinessProbe: { periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 3 },
  livenessProbe: { periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 4 },
};

const everyPodField = {
  nodeSelector: { "topology.kubernetes.io/zone": "eu-west-1a" },
  affinity: {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: "disk", operator: "In", values: ["ssd"] }] } },
      ],
    },
  },
  tolerations: [{ key: "batch", operator: "Exists" }],
  topologySpreadConstraints: [
    { topologyKey: "topology.kubernetes.io/zone", maxSkew: 1, whenUnsatisfiable: "DoNotSchedule" },
  ],
  runtimeClassName: "gvisor",
  priorityClassName: "online",
  serviceAccountName: "model-reader",
  imagePullSecrets: [{ name: "registry-login" }],
  securityContext: { runAsUser: 1000, supplementalGroups: [2000] },
  volumes: [{ name: "own", configMap: { name: "own-ca" } }],
  accelerator: { product: "NVIDIA-L4" },
  drainSeconds: 120,
};

const acceptance = {
  contract: {
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
    outputs: [{ name: "y", datatype: "INT64", shape: [-1] }],
  },
  smokeTest: {
    request: '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}',
    expected: '[{"name": "y", "data": [2]}]',
    tolerance: 0,
  },
};

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
  image: makeInferenceService({ model: { storageUri: "oci://registry.example.com/models/resnet:7" } }),
  "mig-device": makeInferenceService({ predictor: { accelerator: { migProfile: "1g.5gb" } } }),
  "other-device": makeInferenceService({ predictor: { accelerator: otherDevice } }),
  "fields-of-the-model": makeInferenceService({ model: everyModelField }),
  acceptance: makeInferenceService({ model: acceptance }),
  "fields-of-the-pod": makeInferenceService({
    predictor: everyPodField,
    model: { volumeMounts: [{ name: "own", mountPath: "/etc/own" }] },
  }),
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

test("every field that pods depend on is in the corpus", () => {
  const { predictor } = inferenceServiceSpecSchema.shape;
  const { properties = {} } = structuralSchema(predictor);
  const elsewhere = new Set(
    "model replicas minReplicas maxReplicas scaleMetric scaleTarget autoScaling deploymentStrategy progressDeadlineSeconds".split(
      " ",
    ),
  );
  const given = new Set([...Object.keys(everyPodField), ...Object.keys(everyModelField), ...Object.keys(acceptance)]);
  const missing = [...Object.keys(properties), ...Object.keys(properties["model"]?.properties ?? {})].filter(
    (field) => !given.has(field) && !elsewhere.has(field),
  );
  expect(missing).toEqual(["modelFormat", "volumeMounts"]);
  expect(Object.keys(everyModelField.server)).toEqual(Object.keys(serverFlags));
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
    const writable = container.volumeMounts?.filter(({ name, readOnly }) => readOnly !== true && name !== "own");
    expect(writable).toEqual([{ name: "tmp", mountPath: "/tmp" }]);
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
  "image",
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

  test("of a model on an image mounts that image, where the server looks for it", () => {
    const imaged = podOf(makeInferenceService({ model: { storageUri: "oci://registry.example.com/m:7" } }));
    expect(imaged.pod.volumes).toContainEqual({ name: "model", image: { reference: "registry.example.com/m:7" } });
    expect(imaged.container.volumeMounts).toContainEqual({ name: "model", mountPath: "/mnt/oci", readOnly: true });
  });

  test.each([
    ["neither is given", undefined, { requests: { cpu: "100m", memory: "256Mi" } }],
    [
      "a limit is given, which Kubernetes requests too",
      { limits: { cpu: 2 } },
      { requests: { memory: "256Mi" }, limits: { cpu: "2" } },
    ],
    ["a request is given", { requests: { cpu: "1" } }, { requests: { cpu: "1", memory: "256Mi" } }],
    ["both limits are given", { limits: { cpu: 2, memory: "1Gi" } }, { limits: { cpu: "2", memory: "1Gi" } }],
  ])("asks for a little CPU and memory where the spec does not: %s", (_sentence, given, resources) => {
    const model = given === undefined ? {} : { resources: given };
    expect(podOf(makeInferenceService({ model })).container.resources).toEqual(resources);
  });

  test("gets its flags in one order, whatever that of the manifest, and a person's own last", () => {
    const server = { maxBatchSize: 8, workers: 2 };
    const { args } = podOf(makeInferenceService({ model: { server, args: ["--log-level", "debug"] } })).container;
    expect(args?.slice(-4)).toEqual(["--workers=2", "--max-batch-size=8", "--log-level", "debug"]);
  });

  test("reads credentials from the Secret's files", () => {
    const read = podOf(makeInferenceService({ model: { credentials: { secretName: "model-storage" } } }));
    expect(read.pod.volumes).toContainEqual({
      name: "credentials",
      secret: { secretName: "model-storage", defaultMode: 0o440 },
    });
    expect(read.container.volumeMounts).toContainEqual({
      name: "credentials",
      mountPath: "/mnt/credentials",
      readOnly: true,
    });
    expect(read.container.args).toContain("--storage-credentials-directory=/mnt/credentials");
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
    expect(limited.resources?.limits).toEqual({ memory: "8Gi", "nvidia.com/gpu": "2" });
    expect(placed.nodeSelector).toEqual({ "nvidia.com/gpu.product": "NVIDIA-L4" });
    expect(placed.tolerations).toEqual([{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }]);
  });
});

describe("pods are placed", () => {
  const placed = (predictor: object) => podOf(makeInferenceService({ predictor })).pod;
  const own = { matchLabels: { [inferenceServiceLabel]: "resnet" } };

  test("over nodes if that can be, each revision by itself", () => {
    expect(placed({}).topologySpreadConstraints).toEqual([
      {
        topologyKey: "kubernetes.io/hostname",
        maxSkew: 1,
        whenUnsatisfiable: "ScheduleAnyway",
        matchLabelKeys: ["pod-template-hash"],
        labelSelector: own,
      },
    ]);
  });

  test("as the spec says instead; a constraint without a selector counts the service's pods", () => {
    const byZone = { topologyKey: "zone", maxSkew: 2, whenUnsatisfiable: "DoNotSchedule" };
    const chosen = { ...byZone, topologyKey: "rack", labelSelector: { matchLabels: { a: "b" } } };
    expect(placed({ topologySpreadConstraints: [byZone, chosen] }).topologySpreadConstraints).toEqual([
      { ...byZone, labelSelector: own },
      chosen,
    ]);
  });

  test("anywhere, if the spec wants no spread", () => {
    expect(placed({ topologySpreadConstraints: [] }).topologySpreadConstraints).toBeUndefined();
  });

  test("where the device of another make is, whose taint they bear beside those of the spec", () => {
    const pod = placed({ accelerator: otherDevice, nodeSelector: { zone: "a" }, tolerations: [{ key: "batch" }] });
    expect(pod.nodeSelector).toEqual({ pool: "amd", zone: "a" });
    expect(pod.tolerations).toEqual([
      { key: "amd.com/gpu", operator: "Exists", effect: "NoSchedule" },
      { key: "batch" },
    ]);
    expect(pod.containers[0]?.resources?.limits).toEqual({ "amd.com/gpu": "2" });
  });

  test("on a MIG device, on nodes with the taint of whole GPUs", () => {
    const pod = placed({ accelerator: { migProfile: "1g.5gb" } });
    expect(pod.containers[0]?.resources?.limits).toEqual({ "nvidia.com/mig-1g.5gb": "1" });
    expect(pod.tolerations?.map(({ key }) => key)).toEqual(["nvidia.com/gpu"]);
  });
});

test("what the spec leaves out of the security context stays restricted", () => {
  const { pod } = podOf(makeInferenceService({ predictor: { securityContext: { runAsUser: 1000 } } }));
  expect(pod.securityContext).toMatchObject({ runAsUser: 1000, runAsGroup: 65532, runAsNonRoot: true });
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
