// Objects for the tests of the generic Kubernetes machinery: one of each kind that is applied, and a kind of its own.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { OwnerReference } from "kubernetes-types/meta/v1.js";
import {
  deployments,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
  services,
} from "../../operator/kube/resource-types.ts";
import type { KubeObject, ResourceType } from "../../operator/kube/types.ts";

export const namespace = "default";

export interface Thing extends KubeObject {
  readonly spec?: { readonly size?: number };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export const things: ResourceType<Thing> = {
  apiVersion: "example.com/v1",
  kind: "Thing",
  plural: "things",
  namespaced: true,
  structure: { fields: { status: { fields: { conditions: { keys: ["type"] } } } } },
};

const string = { type: "string" };
export const thingDefinition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "things", singular: "thing", kind: "Thing", listKind: "ThingList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: { size: { type: "integer" } } },
              status: {
                type: "object",
                properties: {
                  phase: string,
                  conditions: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    items: { type: "object", required: ["type"], properties: { type: string, status: string } },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};

const metadataOf = (name: string, owner: OwnerReference) => ({
  namespace,
  name,
  labels: { app: name, "example.com/a": "b" },
  ownerReferences: [owner],
});

type Env = NonNullable<NonNullable<NonNullable<Deployment["spec"]>["template"]["spec"]>["containers"][number]["env"]>;

/** A Deployment with everything whose merging has rules of its own. Its pods fit no node, so nothing runs. */
export function deployment(name: string, owner: OwnerReference, env: Env = [{ name: "A", value: "1" }]): Deployment {
  const labels = { app: name };
  const term = { matchExpressions: [{ key: "zone", operator: "Exists" }] };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(name, owner),
    spec: {
      selector: { matchLabels: labels },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: "25%" } },
      template: {
        metadata: { labels, annotations: { "example.com/x": "y" } },
        spec: {
          nodeSelector: { "example.com/none": "such" },
          imagePullSecrets: [{ name: "secret" }],
          securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          tolerations: [{ key: "nvidia.com/gpu", operator: "Exists" }],
          affinity: {
            nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
          },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: "zone",
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: { matchLabels: labels },
            },
          ],
          initContainers: [{ name: "first", image: "none:1" }],
          containers: [
            {
              name: "server",
              image: "none:1",
              args: ["--label=a<b&c"],
              env,
              ports: [
                { name: "http", containerPort: 8080 },
                { name: "dns", containerPort: 8080, protocol: "UDP" },
              ],
              resources: { requests: { cpu: "1000m", memory: "1Gi" }, limits: { memory: "1Gi" } },
              startupProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 2 },
              securityContext: { capabilities: { drop: ["ALL"] } },
              volumeMounts: [
                { name: "scratch", mountPath: "/tmp" },
                { name: "claim", mountPath: "/mnt", readOnly: true },
              ],
            },
          ],
          volumes: [
            { name: "scratch", emptyDir: {} },
            { name: "claim", persistentVolumeClaim: { claimName: "claim", readOnly: true } },
          ],
        },
      },
    },
  };
}

export const kinds: {
  kind: string;
  type: ResourceType<KubeObject>;
  desired: (name: string, owner: OwnerReference) => KubeObject;
  createOnly?: object;
}[] = [
  { kind: "Deployment", type: deployments, desired: deployment, createOnly: { spec: { replicas: 3 } } },
  {
    kind: "Service",
    type: services,
    desired: (name, owner) => ({
      metadata: metadataOf(name, owner),
      spec: {
        selector: { app: name },
        ports: [
          { name: "http", port: 80, targetPort: "http" },
          { name: "grpc", port: 9000, protocol: "TCP" },
        ],
      },
    }),
  },
  {
    kind: "HorizontalPodAutoscaler",
    type: horizontalPodAutoscalers,
    desired: (name, owner) => ({
      metadata: metadataOf(name, owner),
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
        metrics: [
          {
            type: "External",
            external: {
              metric: { name: "rate", selector: { matchLabels: { a: "b" } } },
              target: { type: "AverageValue", averageValue: "4000m" },
            },
          },
        ],
        behavior: {
          scaleDown: { stabilizationWindowSeconds: 20, policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] },
        },
      },
    }),
    createOnly: { spec: { minReplicas: 2, maxReplicas: 5 } },
  },
  {
    kind: "PodDisruptionBudget",
    type: podDisruptionBudgets,
    desired: (name, owner) => ({
      metadata: metadataOf(name, owner),
      spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector: { matchLabels: { app: name } } },
    }),
  },
];
