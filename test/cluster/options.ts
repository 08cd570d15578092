// What a local cluster can be asked for, and what it is like when nothing is asked.

import { join } from "node:path";
import type { ProcessNodeConfigInput } from "./process-node/config.ts";

type NodeInput = ProcessNodeConfigInput["nodes"][number];

export interface ClusterOptions {
  /** Part of the names of its folder and control groups. Default `cluster`. */
  readonly name?: string;
  /** Image name to the command that stands for it, besides `plimsoll/server:dev` and `plimsoll/operator:dev`. */
  readonly images?: Readonly<Record<string, readonly string[]>>;
  /** Default: `node-plain` with 10 CPUs, and `node-gpu` with 2 GPUs and a taint that keeps others away. */
  readonly nodes?: readonly NodeInput[];
  /** How soon crashed containers start again; the default is a kubelet's. */
  readonly restartBackOff?: ProcessNodeConfigInput["restartBackOff"];
  /** Prometheus' interval and time-out. Default 2. */
  readonly scrapeIntervalSeconds?: number;
  /** Default 15, as everywhere. */
  readonly horizontalPodAutoscalerSyncPeriodSeconds?: number;
  /** kube-controller-manager's client limits. Default 20 and 30, as everywhere. */
  readonly controllerManagerRequestsPerSecond?: number;
  readonly controllerManagerBurst?: number;
  /** Which of kube-controller-manager's controllers run, as its flag takes it. Default: those that run by default. */
  readonly controllers?: readonly string[];
  /** Told what happens, one line each. Default: nobody. */
  readonly log?: (line: string) => void;
  /** Gives up starting; a cluster that runs already is stopped by `stop`. */
  readonly signal?: AbortSignal;
}

const plainNode: NodeInput = {
  name: "node-plain",
  labels: { "kubernetes.io/hostname": "node-plain", "kubernetes.io/os": "linux" },
  capacity: { cpu: "10", memory: "16Gi", pods: "110" },
};

const gpuNode: NodeInput = {
  name: "node-gpu",
  labels: {
    "kubernetes.io/hostname": "node-gpu",
    "kubernetes.io/os": "linux",
    "nvidia.com/gpu.product": "NVIDIA-L4",
  },
  taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NoSchedule" }],
  capacity: { cpu: "10", memory: "16Gi", pods: "110", "nvidia.com/gpu": "2" },
};

const checkout = join(import.meta.dirname, "..", "..");

/** The images of this checkout: its sources, run by the Node that runs this. */
const ownImages = {
  "plimsoll/server:dev": [process.execPath, join(checkout, "server-image", "main.ts")],
  "plimsoll/operator:dev": [process.execPath, join(checkout, "operator", "main.ts")],
};

export type ResolvedOptions = Required<Omit<ClusterOptions, "signal" | "restartBackOff">> &
  Pick<ClusterOptions, "signal" | "restartBackOff">;

export function resolveOptions(options: ClusterOptions): ResolvedOptions {
  return {
    name: "cluster",
    nodes: [plainNode, gpuNode],
    scrapeIntervalSeconds: 2,
    horizontalPodAutoscalerSyncPeriodSeconds: 15,
    controllerManagerRequestsPerSecond: 20,
    controllerManagerBurst: 30,
    controllers: ["*"],
    log: () => {},
    ...options,
    images: { ...ownImages, ...options.images },
  };
}
