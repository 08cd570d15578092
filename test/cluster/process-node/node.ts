// Registers one node and keeps it alive in the eyes of the control plane: its Ready condition and its Lease.

import type { Node, NodeCondition } from "kubernetes-types/core/v1.js";
import { backoffMs } from "../../../operator/kube/backoff.ts";
import { type Clock, wait } from "../../../operator/kube/clock.ts";
import type { KubeClient, Logger } from "../../../operator/kube/types.ts";
import type { NodeConfig } from "./config.ts";
import { timestamp } from "./container-record.ts";
import { parseQuantity } from "./quantity.ts";
import { leases, nodes } from "./resource-types.ts";
import { fieldManager } from "./status-writer.ts";

export interface NodeOptions {
  readonly config: NodeConfig;
  readonly hostAddress: string;
  readonly kubeletPort: number;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly now: () => Date;
  readonly random: () => number;
  readonly logger: Logger;
}

/** What kubelets have as defaults. */
const leaseSeconds = 40;
const renewalMs = 10_000;

/** As Go calls it. */
const architecture = process.arch === "x64" ? "amd64" : process.arch;

const leaseNamespace = "kube-node-lease";

/** Runs until the signal aborts; the node's objects stay. */
export async function runNode(options: NodeOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, config, logger, random } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const node = (await client.get(nodes, { name: config.name }, { signal })) ?? (await createNode(options, signal));
      if (failures > 0 || !isReady(node, options)) {
        await bringInLine(options, signal);
        logger.info({}, "the node is ready");
      }
      await renewLease(options, node.metadata?.uid ?? "", signal);
      failures = 0;
      await wait(clock, renewalMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      logger.warn({ err: error, failures }, "node not kept alive; it will be tried again");
      await wait(clock, backoffMs(failures, { baseMs: 200, maxMs: 5000, random }), signal);
    }
  }
}

/** False too when the control plane has given the node up while this machine slept, and when another process wrote the status. */
function isReady({ status }: Node, { config, kubeletPort }: NodeOptions): boolean {
  return (
    status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true &&
    status.daemonEndpoints?.kubeletEndpoint?.Port === kubeletPort &&
    Object.entries(config.capacity).every(([name, quantity]) => isEqualQuantity(status.capacity?.[name], quantity))
  );
}

/** The API server writes quantities in its own way: 1024Mi as 1Gi. */
function isEqualQuantity(actual: string | undefined, wanted: string): boolean {
  return actual !== undefined && parseQuantity(actual) === parseQuantity(wanted);
}

function createNode({ client, config }: NodeOptions, signal: AbortSignal): Promise<Node> {
  const taints = config.taints.map(({ key, value, effect }) => ({
    key,
    effect,
    ...(value !== undefined && { value }),
  }));
  const metadata = { name: config.name, labels: labelsOf(config) };
  return client.create(nodes, { metadata, spec: { taints } }, { fieldManager, signal });
}

/** Labels and status of a node that exists. Its taints are left alone, as kubelets do: the control plane adds its own. */
async function bringInLine(options: NodeOptions, signal: AbortSignal): Promise<void> {
  const { client, config } = options;
  const patch = { metadata: { labels: labelsOf(config) } };
  await client.patch(nodes, { name: config.name }, patch, { fieldManager, signal });
  await client.apply(nodes, makeNodeStatus(options), { subresource: "status", fieldManager, signal });
}

function labelsOf(config: NodeConfig): Record<string, string> {
  return {
    "kubernetes.io/hostname": config.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": architecture,
    ...config.labels,
  };
}

function makeNodeStatus({ config, hostAddress, kubeletPort, now }: NodeOptions): Node {
  const time = timestamp(now());
  const condition = (type: string, status: string, reason: string, message: string): NodeCondition => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  });
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: config.name },
    status: {
      capacity: config.capacity,
      allocatable: config.capacity,
      addresses: [
        { type: "InternalIP", address: hostAddress },
        { type: "Hostname", address: config.name },
      ],
      conditions: [
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "process nodes do not watch memory"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "process nodes do not watch disks"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "process nodes do not watch process numbers"),
        condition("Ready", "True", "KubeletReady", "the process node runs pods as local processes"),
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
      nodeInfo: {
        architecture,
        operatingSystem: "linux",
        containerRuntimeVersion: `process://${process.versions.node}`,
        kubeletVersion: "v1.36.3-process-node",
        kubeProxyVersion: "",
        kernelVersion: "",
        osImage: "this machine",
        bootID: "",
        machineID: config.name,
        systemUUID: "",
      },
    },
  };
}

async function renewLease(options: NodeOptions, nodeUid: string, signal: AbortSignal): Promise<void> {
  const { name } = options.config;
  await options.client.apply(
    leases,
    {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        name,
        namespace: leaseNamespace,
        ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid: nodeUid }],
      },
      spec: {
        holderIdentity: name,
        leaseDurationSeconds: leaseSeconds,
        renewTime: options.now().toISOString().replace("Z", "000Z"),
      },
    },
    { fieldManager, signal },
  );
}
