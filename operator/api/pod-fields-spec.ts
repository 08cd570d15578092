// Where and as what the pods of a service run: the fields of the pod that a person may set.

import { z } from "zod";
import { objectName, validations } from "./field-kinds.ts";
import { kubernetesList, kubernetesObject } from "./kubernetes-field.ts";

export const podFields = {
  nodeSelector: z
    .record(z.string(), z.string().max(63))
    .optional()
    .describe("Labels that nodes must have, e.g. {topology.kubernetes.io/zone: eu-west-1a}; beside the accelerator's.")
    .meta({ maxProperties: 64, "x-kubernetes-map-type": "atomic" }),
  affinity: kubernetesObject("affinity")
    .optional()
    .describe("Rules on nodes and on pods beside which replicas run, as in a pod, e.g. {nodeAffinity: ...}."),
  tolerations: kubernetesList("tolerations")
    .optional()
    .describe(
      "Taints of nodes that replicas bear, as in a pod; beside that of the accelerator, e.g. [{key: batch, operator: Exists}].",
    ),
  topologySpreadConstraints: kubernetesList("topologySpreadConstraints", ["topologyKey", "whenUnsatisfiable"])
    .optional()
    .describe(
      "How replicas are spread, as in a pod; without a labelSelector, the pods of this service count. Default: over nodes (kubernetes.io/hostname, maxSkew 1, ScheduleAnyway), each revision by itself. A list replaces the default; an empty one spreads nothing.",
    ),
  runtimeClassName: objectName()
    .optional()
    .describe("RuntimeClass of the pods, e.g. nvidia. Default: the node's own runtime."),
  priorityClassName: objectName()
    .optional()
    .describe(
      "PriorityClass of the pods, e.g. online: who is scheduled first and evicted last. Default: the cluster's default class.",
    ),
  serviceAccountName: objectName()
    .optional()
    .describe(
      "ServiceAccount of the pods, e.g. model-reader, for a cloud's workload identity. No token of the API server is mounted. Default: the account named default.",
    ),
  imagePullSecrets: z
    .array(
      z.object({
        name: objectName().describe("Name of a Secret with the credentials of a registry, e.g. registry-login."),
      }),
    )
    .max(16)
    .optional()
    .describe(
      "Secrets of the service's namespace that images are pulled with, the model's image at oci:// too, e.g. [{name: registry-login}].",
    )
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] }),
  securityContext: kubernetesObject("securityContext")
    .optional()
    .describe(
      "Users, groups and profiles of the pods, as in a pod; fields that are left out keep Plimsoll's: not root, user, group and fsGroup 65532, seccomp RuntimeDefault.",
    ),
  volumes: kubernetesList("volumes", ["name"])
    .optional()
    .describe(
      "Further volumes of the pods, as in a pod, e.g. [{name: certificates, configMap: {name: own-ca}}]; model.volumeMounts mounts them.",
    )
    .meta(
      validations({
        rule: "self.all(volume, !(volume.name in ['tmp', 'model', 'credentials']) && !volume.name.startsWith('plimsoll-'))",
        message:
          "must not name a volume tmp, model, credentials or plimsoll-...: these are Plimsoll's own; choose another name",
      }),
    ),
};

/** Rules that need the model beside the fields of the pod. */
export const podFieldRules = [
  {
    rule: "!has(self.model.volumeMounts) || self.model.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))",
    message: "each of model.volumeMounts must name one of predictor.volumes",
    fieldPath: ".model.volumeMounts",
  },
  {
    rule: "!has(self.volumes) || self.volumes.all(volume, has(self.model.volumeMounts) && self.model.volumeMounts.exists(mount, mount.name == volume.name))",
    message: "each volume must be mounted: add it to model.volumeMounts, or leave it out",
    fieldPath: ".volumes",
  },
  {
    rule: "!has(self.accelerator) || !has(self.accelerator.product) || !has(self.nodeSelector) || !('nvidia.com/gpu.product' in self.nodeSelector)",
    message: "must not hold nvidia.com/gpu.product beside accelerator.product: leave one of them out",
    fieldPath: ".nodeSelector",
  },
  {
    rule: "!has(self.accelerator) || !has(self.model.resources) || ((!has(self.model.resources.limits) || !self.model.resources.limits.exists(k, k.startsWith('nvidia.com/') || (has(self.accelerator.resourceName) && k == self.accelerator.resourceName))) && (!has(self.model.resources.requests) || !self.model.resources.requests.exists(k, k.startsWith('nvidia.com/') || (has(self.accelerator.resourceName) && k == self.accelerator.resourceName))))",
    message: "must not hold the accelerator's resource: say it in accelerator.count",
    fieldPath: ".model.resources",
  },
];
