// The kinds of objects that the process node reads and writes.

import type { Lease } from "kubernetes-types/coordination/v1.js";
import type {
  ConfigMap,
  Event,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Secret,
  Service,
} from "kubernetes-types/core/v1.js";
import type { KubeObject, ResourceType } from "../../../operator/kube/types.ts";

const core = <T extends KubeObject>(kind: string, plural: string, namespaced = true): ResourceType<T> => ({
  apiVersion: "v1",
  kind,
  plural,
  namespaced,
});

export const pods = core<Pod>("Pod", "pods");
export const services = core<Service>("Service", "services");
export const configMaps = core<ConfigMap>("ConfigMap", "configmaps");
export const secrets = core<Secret>("Secret", "secrets");
export const persistentVolumeClaims = core<PersistentVolumeClaim>("PersistentVolumeClaim", "persistentvolumeclaims");
export const persistentVolumes = core<PersistentVolume>("PersistentVolume", "persistentvolumes", false);
export const nodes = core<Node>("Node", "nodes", false);
export const events = core<Event>("Event", "events");
export const leases: ResourceType<Lease> = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};
