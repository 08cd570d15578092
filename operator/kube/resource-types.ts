// The built-in kinds that this program reads and writes.

import type { Deployment, ReplicaSet } from "kubernetes-types/apps/v1.js";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { Lease } from "kubernetes-types/coordination/v1.js";
import type { ConfigMap, Namespace, Node, Pod, Secret, Service } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import type { Event } from "kubernetes-types/events/v1.js";
import type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js";
import { metadataStructure, podTemplateStructure } from "./pod-structure.ts";
import type { KubeObject, ResourceType, Structure } from "./types.ts";

/** A list of conditions: one entry per type. */
export const conditionsStructure: Structure = { keys: ["type"] };

const plain: Structure = { fields: { metadata: metadataStructure } };
const status: Structure = { fields: { conditions: conditionsStructure } };

export const deployments: ResourceType<Deployment> = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
  structure: {
    fields: {
      metadata: metadataStructure,
      spec: { fields: { selector: "atomic", template: podTemplateStructure } },
      status,
    },
  },
};

export const replicaSets: ResourceType<ReplicaSet> = {
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  plural: "replicasets",
  namespaced: true,
};

export const services: ResourceType<Service> = {
  apiVersion: "v1",
  kind: "Service",
  plural: "services",
  namespaced: true,
  structure: {
    fields: {
      metadata: metadataStructure,
      spec: { fields: { ports: { keys: ["port", "protocol"], defaults: { protocol: "TCP" } }, selector: "atomic" } },
      status,
    },
  },
};

export const horizontalPodAutoscalers: ResourceType<HorizontalPodAutoscaler> = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  plural: "horizontalpodautoscalers",
  namespaced: true,
  structure: { fields: { metadata: metadataStructure, status } },
};

export const podDisruptionBudgets: ResourceType<PodDisruptionBudget> = {
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  namespaced: true,
  structure: { fields: { metadata: metadataStructure, spec: { fields: { selector: "atomic" } }, status } },
};

export const endpointSlices: ResourceType<EndpointSlice> = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  namespaced: true,
  structure: plain,
};

export const pods: ResourceType<Pod> = { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true };

export const nodes: ResourceType<Node> = { apiVersion: "v1", kind: "Node", plural: "nodes", namespaced: false };

export const namespaces: ResourceType<Namespace> = {
  apiVersion: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};

export const configMaps: ResourceType<ConfigMap> = {
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
  structure: plain,
};

export const secrets: ResourceType<Secret> = {
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
  structure: plain,
};

export const leases: ResourceType<Lease> = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
  structure: plain,
};

export const events: ResourceType<Event> = {
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};

/** What this program reads of an APIService. */
export interface ApiService extends KubeObject {
  readonly spec?: {
    readonly group?: string;
    readonly version?: string;
    readonly groupPriorityMinimum?: number;
    readonly versionPriority?: number;
    readonly caBundle?: string;
    readonly insecureSkipTLSVerify?: boolean;
    readonly service?: { readonly namespace: string; readonly name: string; readonly port?: number };
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}

export const apiServices: ResourceType<ApiService> = {
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  plural: "apiservices",
  namespaced: false,
  structure: { fields: { metadata: metadataStructure, status } },
};

/** What this program reads of a CustomResourceDefinition. */
export interface CustomResourceDefinition extends KubeObject {
  readonly spec?: object;
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

export const customResourceDefinitions: ResourceType<CustomResourceDefinition> = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
