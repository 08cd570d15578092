// An InferenceService with every field that its pods can have, for tests that look at what becomes of each.

import type { ServiceManifest } from "./stage.ts";

/** Below `spec.predictor`. */
export const everyField: NonNullable<ServiceManifest["spec"]>["predictor"] = {
  model: {
    modelFormat: { name: "onnx" },
    storageUri: "s3://models/resnet/7/model.onnx",
    name: "resnet-50",
    sha256: "ab".repeat(32),
    credentials: { secretName: "model-storage" },
    download: { timeoutSeconds: 1200, maxSize: "20Gi" },
    server: { workers: 2, maxBatchSize: 16, requestTimeoutSeconds: 10, logLevel: "debug" },
    image: "registry.example.com/own-server:2",
    args: ["--storage-instance-credentials"],
    env: [
      { name: "AWS_REGION", value: "eu-west-1" },
      { name: "A", valueFrom: { configMapKeyRef: { name: "mirrors", key: "hf", optional: true } } },
      { name: "B", valueFrom: { secretKeyRef: { name: "secrets", key: "b" } } },
      { name: "C", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "D", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
    ],
    resources: { requests: { cpu: "500m" }, limits: { memory: "2Gi" } },
    volumeMounts: ["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => ({
      name,
      mountPath: `/data/${name}`,
      readOnly: true,
    })),
    startupProbe: { periodSeconds: 2, failureThreshold: 900 },
    readinessProbe: { periodSeconds: 1 },
    livenessProbe: { timeoutSeconds: 5 },
  },
  accelerator: { product: "NVIDIA-L4", count: 2, nodeSelector: { pool: "gpu" } },
  nodeSelector: { zone: "a" },
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator: "In", values: ["ssd"] }] }],
      },
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: "new", operator: "Exists" }] } },
      ],
    },
    podAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 5, podAffinityTerm: { topologyKey: "zone", labelSelector: { matchLabels: { app: "cache" } } } },
      ],
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        {
          topologyKey: "kubernetes.io/hostname",
          namespaces: ["batch"],
          labelSelector: { matchExpressions: [{ key: "noisy", operator: "Exists" }] },
        },
      ],
    },
  },
  tolerations: [{ key: "batch", operator: "Equal", value: "yes", effect: "NoExecute", tolerationSeconds: 60 }],
  topologySpreadConstraints: [
    { topologyKey: "zone", maxSkew: 1, whenUnsatisfiable: "DoNotSchedule", minDomains: 2 },
    { topologyKey: "zone", maxSkew: 3, whenUnsatisfiable: "ScheduleAnyway", matchLabelKeys: ["pod-template-hash"] },
  ],
  runtimeClassName: "gvisor",
  priorityClassName: "system-cluster-critical",
  serviceAccountName: "model-reader",
  imagePullSecrets: [{ name: "registry-login" }],
  securityContext: {
    runAsUser: 1000,
    supplementalGroups: [2000],
    fsGroupChangePolicy: "OnRootMismatch",
    seLinuxOptions: { level: "s0" },
  },
  volumes: [
    { name: "a", configMap: { name: "files", items: [{ key: "k", path: "p" }], optional: true } },
    { name: "b", secret: { secretName: "files", items: [{ key: "k", path: "p" }] } },
    { name: "c", emptyDir: { medium: "Memory", sizeLimit: "64Mi" } },
    { name: "d", persistentVolumeClaim: { claimName: "data" } },
    {
      name: "e",
      projected: {
        sources: [
          { configMap: { name: "files" } },
          { secret: { name: "files" } },
          { serviceAccountToken: { path: "token", audience: "vault", expirationSeconds: 3600 } },
          { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
        ],
      },
    },
    {
      name: "f",
      csi: {
        driver: "secrets-store.csi.k8s.io",
        readOnly: true,
        volumeAttributes: { secretProviderClass: "x" },
        nodePublishSecretRef: { name: "csi" },
      },
    },
    {
      name: "g",
      ephemeral: {
        volumeClaimTemplate: {
          metadata: { labels: { team: "vision" } },
          spec: {
            accessModes: ["ReadWriteOnce"],
            storageClassName: "fast",
            resources: { requests: { storage: "10Gi" } },
          },
        },
      },
    },
    { name: "h", image: { reference: "registry.example.com/tables:1", pullPolicy: "IfNotPresent" } },
  ],
  deploymentStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: "10%" } },
  progressDeadlineSeconds: 2000,
  drainSeconds: 120,
  minReplicas: 2,
  maxReplicas: 20,
  scaleMetric: "rps",
  scaleTarget: 50,
};
