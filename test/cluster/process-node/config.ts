// The configuration of the process node: which nodes it plays, and which local command stands for which image.

import { z } from "zod";

const taintSchema = z.object({
  key: z.string().min(1),
  value: z.string().optional(),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
});

const nodeSchema = z.object({
  name: z.string().min(1),
  labels: z.record(z.string(), z.string()).default({}),
  taints: z.array(taintSchema).default([]),
  /** Kubernetes quantities by resource name, for example `{"cpu": "10", "memory": "16Gi", "pods": "110"}`. */
  capacity: z.record(z.string(), z.string()),
});

const restartBackOffSchema = z
  .object({
    /** The delay before the second restart; the first one is immediate. Doubles with each restart. */
    initialSeconds: z.number().positive().default(10),
    maxSeconds: z.number().positive().default(300),
    /** A container that ran at least this long starts again without a delay. */
    resetAfterSeconds: z.number().positive().default(600),
  })
  .prefault({});

/** What `process-node/main.ts --config FILE.json` reads; all paths are absolute. */
export const processNodeConfigSchema = z.object({
  nodes: z.array(nodeSchema).min(1),
  /** Image name to the words in front of the container's `args`, for example `["node", "/src/server-image/main.ts"]`. */
  images: z.record(z.string(), z.array(z.string()).min(1)),
  /** The bridge that pods are attached to; it exists already and holds the first address of `podCidr`. */
  bridge: z.string().min(1).default("br0"),
  hostAddress: z.ipv4().default("10.10.0.1"),
  podCidr: z.cidrv4().default("10.244.0.0/16"),
  /** Pods' volumes, root directories and logs; a folder of this process alone, made and emptied by it. */
  dataDirectory: z.string().startsWith("/"),
  /** Name of the control group folder, under the mount point of each controller, that holds all pods' groups. */
  cgroupParent: z.string().regex(/^[\w.-]+$/),
  /** The kubelet API of the first node; each further node takes the next port. */
  kubeletPort: z.int().min(1).max(65_535).default(10_250),
  /** PEM files. Only clients with a certificate signed by `clientCA` are answered. */
  kubeletCertificate: z.object({ cert: z.string(), key: z.string(), clientCA: z.string() }),
  /** Pods find Services by entries in /etc/hosts, since the cluster has no DNS. */
  servicesInHosts: z.boolean().default(true),
  restartBackOff: restartBackOffSchema,
});

/** The file's content after parsing: every default filled in. */
export type ProcessNodeConfig = z.infer<typeof processNodeConfigSchema>;

/** The file's content as it is written: fields with a default may be left out. */
export type ProcessNodeConfigInput = z.input<typeof processNodeConfigSchema>;

export type NodeConfig = ProcessNodeConfig["nodes"][number];

export type RestartBackOff = ProcessNodeConfig["restartBackOff"];
