// For each field of an InferenceService another value than in `everyField`, and what else has to change for it to be allowed.

import { everyField } from "./every-field.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface Change {
  readonly value: unknown;
  /** Other fields by their path; undefined takes one away. */
  readonly with?: Fields;
}

const changed = (value: unknown, others?: Fields): Change => ({ value, ...(others && { with: others }) });
const { volumeMounts: mounts } = everyField["model"] as { readonly volumeMounts: readonly { readonly name: string }[] };
const mig = { "accelerator.count": 1, "accelerator.product": undefined };

/** By path below `spec.predictor`. Each changes what the children are. */
export const changes: Readonly<Record<string, Change>> = {
  "model.storageUri": changed("s3://models/resnet/8/model.onnx"),
  "model.name": changed("resnet-101"),
  "model.sha256": changed("cd".repeat(32)),
  "model.credentials.secretName": changed("other-storage"),
  "model.download.timeoutSeconds": changed(1000),
  "model.download.maxSize": changed("30Gi"),
  "model.server.workers": changed(3),
  "model.server.threadsPerWorker": changed(2),
  "model.server.maxBatchSize": changed(8),
  "model.server.maxBatchDelayMilliseconds": changed(5),
  "model.server.calibrationSeconds": changed(3),
  "model.server.maxQueueLength": changed(100),
  "model.server.maxExpectedWaitMilliseconds": changed(500),
  "model.server.requestTimeoutSeconds": changed(9),
  "model.server.runTimeoutSeconds": changed(9),
  "model.server.maxBodyBytes": changed(1_000_000),
  "model.server.logLevel": changed("warn"),
  "model.contract.inputs": changed([{ name: "x", datatype: "FP32", shape: [-1, 3] }]),
  "model.contract.outputs": changed([{ name: "y", datatype: "FP32", shape: [-1, 3] }]),
  "model.smokeTest.request": changed('{"inputs":[]}'),
  "model.smokeTest.expected": changed("[]", { "model.smokeTest.request": '{"inputs":[]}' }),
  "model.smokeTest.tolerance": changed(0.5, {
    "model.smokeTest.request": '{"inputs":[]}',
    "model.smokeTest.expected": "[]",
  }),
  "model.image": changed("registry.example.com/own-server:3"),
  "model.args": changed(["--allow-private-networks"]),
  "model.env": changed([{ name: "AWS_REGION", value: "us-east-1" }]),
  "model.resources.requests": changed({ cpu: "250m" }),
  "model.resources.limits": changed({ memory: "3Gi" }),
  "model.volumeMounts": changed(mounts.map((mount) => ({ ...mount, mountPath: `/elsewhere/${mount.name}` }))),
  "model.startupProbe.periodSeconds": changed(3, { progressDeadlineSeconds: 3000 }),
  "model.startupProbe.timeoutSeconds": changed(4),
  "model.startupProbe.failureThreshold": changed(800),
  "model.readinessProbe.periodSeconds": changed(2),
  "model.readinessProbe.timeoutSeconds": changed(3),
  "model.readinessProbe.failureThreshold": changed(4),
  "model.livenessProbe.periodSeconds": changed(20),
  "model.livenessProbe.timeoutSeconds": changed(6),
  "model.livenessProbe.failureThreshold": changed(7),
  "accelerator.product": changed("NVIDIA-A100-SXM4-80GB"),
  "accelerator.count": changed(4),
  "accelerator.resourceName": changed("nvidia.com/gpu.shared"),
  "accelerator.migProfile": changed("1g.5gb", mig),
  "accelerator.nodeSelector": changed({ pool: "other" }),
  nodeSelector: changed({ zone: "b" }),
  affinity: changed({ podAffinity: everyField["affinity"] && (everyField["affinity"] as Fields)["podAffinity"] }),
  tolerations: changed([{ key: "night", operator: "Exists" }]),
  topologySpreadConstraints: changed([{ topologyKey: "zone", maxSkew: 2, whenUnsatisfiable: "DoNotSchedule" }]),
  runtimeClassName: changed("kata"),
  priorityClassName: changed("system-node-critical"),
  serviceAccountName: changed("other-reader"),
  imagePullSecrets: changed([{ name: "other-login" }]),
  securityContext: changed({ runAsUser: 1001 }),
  volumes: changed([...(everyField["volumes"] as readonly unknown[]), { name: "i", emptyDir: {} }], {
    "model.volumeMounts": [...mounts, { name: "i", mountPath: "/data/i" }],
  }),
  "deploymentStrategy.type": changed("Recreate", { "deploymentStrategy.rollingUpdate": undefined }),
  "deploymentStrategy.rollingUpdate.maxSurge": changed(2),
  "deploymentStrategy.rollingUpdate.maxUnavailable": changed("20%"),
  progressDeadlineSeconds: changed(3000),
  drainSeconds: changed(60),
  maxReplicas: changed(30),
  scaleTarget: changed(40),
  "autoScaling.metrics": changed([{ type: "QueueDepth", target: 2 }], {
    scaleMetric: undefined,
    scaleTarget: undefined,
  }),
  "autoScaling.behavior.scaleDown.stabilizationWindowSeconds": changed(60),
  "autoScaling.behavior.scaleDown.policies": changed([{ type: "Pods", value: 1, periodSeconds: 60 }]),
};

/** Fields that change no child by themselves, or leave something behind on purpose, each with the reason. */
export const leftOut: Readonly<Record<string, string>> = {
  "model.modelFormat.name": "has one value",
  minReplicas: "the floor of the present load stays, and replicas that were raised are not lowered by the operator",
  replicas: "is allowed in mode External only",
  "autoScaling.mode": "replicas stay where the other mode left them",
  scaleMetric: "has one value, and needs scaleTarget",
  "autoScaling.fastPath": "changes what the autoscaler does, not what there is",
  "autoScaling.onMissingMetrics.policy": "changes what the autoscaler does, not what there is",
  "autoScaling.onMissingMetrics.replicas": "changes what the autoscaler does, not what there is",
  "autoScaling.onMissingMetrics.afterSeconds": "changes what the autoscaler does, not what there is",
};

/** `fields` with the change made. */
export function withChange(fields: Fields, path: string, change: Change): Fields {
  const all = Object.entries({ ...change.with, [path]: change.value });
  return all.reduce((changing, [at, value]) => withField(changing, at.split("."), value), fields);
}

function withField(fields: Fields, [name = "", ...rest]: readonly string[], value: unknown): Fields {
  if (rest.length === 0) return { ...fields, [name]: value };
  return { ...fields, [name]: withField((fields[name] ?? {}) as Fields, rest, value) };
}
