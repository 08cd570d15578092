// How server-side apply merges a pod template, after the x-kubernetes-* marks of the Kubernetes 1.36 API.

import type { Structure } from "./types.ts";

/** What every kind's metadata has. */
export const metadataStructure: Structure = {
  fields: { finalizers: "set", ownerReferences: { keys: ["uid"], item: "atomic" } },
};

const byName = { keys: ["name"] } as const;

const container: Structure = {
  fields: {
    env: {
      keys: ["name"],
      item: {
        fields: {
          valueFrom: {
            fields: {
              configMapKeyRef: "atomic",
              fieldRef: "atomic",
              fileKeyRef: "atomic",
              resourceFieldRef: "atomic",
              secretKeyRef: "atomic",
            },
          },
        },
      },
    },
    ports: { keys: ["containerPort", "protocol"], defaults: { protocol: "TCP" } },
    resources: { fields: { claims: byName } },
    volumeDevices: { keys: ["devicePath"] },
    volumeMounts: { keys: ["mountPath"] },
  },
};

const withSecret: Structure = { fields: { secretRef: "atomic" } };

const volume: Structure = {
  fields: {
    cephfs: withSecret,
    cinder: withSecret,
    csi: { fields: { nodePublishSecretRef: "atomic" } },
    ephemeral: {
      fields: {
        volumeClaimTemplate: {
          fields: { metadata: metadataStructure, spec: { fields: { dataSource: "atomic", selector: "atomic" } } },
        },
      },
    },
    flexVolume: withSecret,
    iscsi: withSecret,
    rbd: withSecret,
    scaleIO: withSecret,
    storageos: withSecret,
  },
};

const podSpec: Structure = {
  fields: {
    affinity: {
      fields: { nodeAffinity: { fields: { requiredDuringSchedulingIgnoredDuringExecution: "atomic" } } },
    },
    containers: { ...byName, item: container },
    hostAliases: { keys: ["ip"] },
    imagePullSecrets: { ...byName, item: "atomic" },
    initContainers: { ...byName, item: container },
    nodeSelector: "atomic",
    resourceClaims: byName,
    resources: { fields: { claims: byName } },
    schedulingGates: byName,
    topologySpreadConstraints: {
      keys: ["topologyKey", "whenUnsatisfiable"],
      item: { fields: { labelSelector: "atomic" } },
    },
    volumes: { ...byName, item: volume },
  },
};

export const podTemplateStructure: Structure = { fields: { metadata: metadataStructure, spec: podSpec } };
