// The fields of a pod that its containers can read as variables or files: the downward API.

import type { Container, Pod, ResourceFieldSelector } from "kubernetes-types/core/v1.js";
import { parseQuantity } from "./quantity.ts";

/** What the downward API answers from; addresses are those of the running pod, which its object may not show yet. */
export interface PodFacts {
  readonly pod: Pod;
  readonly podAddress: string;
  readonly hostAddress: string;
  /** What a missing limit means: the node's capacity. */
  readonly nodeCapacity: Readonly<Record<string, string>>;
}

/** @throws Error for a field path that the downward API does not have. */
export function readField(fieldPath: string, { pod, podAddress, hostAddress }: PodFacts): string {
  const subscript = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath);
  if (subscript !== null) {
    return pod.metadata?.[subscript[1] as "labels" | "annotations"]?.[subscript[2] ?? ""] ?? "";
  }
  const fields: Record<string, string> = {
    "metadata.name": pod.metadata?.name ?? "",
    "metadata.namespace": pod.metadata?.namespace ?? "",
    "metadata.uid": pod.metadata?.uid ?? "",
    "metadata.labels": formatMap(pod.metadata?.labels),
    "metadata.annotations": formatMap(pod.metadata?.annotations),
    "spec.nodeName": pod.spec?.nodeName ?? "",
    "spec.serviceAccountName": pod.spec?.serviceAccountName ?? "",
    "status.podIP": podAddress,
    "status.podIPs": podAddress,
    "status.hostIP": hostAddress,
    "status.hostIPs": hostAddress,
  };
  const value = fields[fieldPath];
  if (value === undefined) {
    throw new Error(`field "${fieldPath}" is not readable: use one of ${Object.keys(fields).join(", ")}`);
  }
  return value;
}

/**
 * A container's request or limit divided by the divisor and rounded up, as a kubelet does: `limits.cpu` of 200m is "1"
 * with the divisor 1 and "200" with the divisor 1m.
 * @throws Error for a resource that is not of the form `limits.NAME` or `requests.NAME`.
 */
export function readResource(selector: ResourceFieldSelector, container: Container, facts: PodFacts): string {
  const match = /^(limits|requests)\.(.+)$/.exec(selector.resource);
  if (match === null) {
    throw new Error(`resource "${selector.resource}" is not readable: use limits.NAME or requests.NAME`);
  }
  const name = match[2] ?? "";
  const limit = container.resources?.limits?.[name] ?? facts.nodeCapacity[name] ?? "0";
  const quantity = match[1] === "limits" ? limit : (container.resources?.requests?.[name] ?? "0");
  const divisor = parseQuantity(selector.divisor ?? "1") || 1;
  // 0.3 / 0.1 is a little more than 3: the rounding must not turn that into 4.
  return String(Math.ceil(Number((parseQuantity(quantity) / divisor).toFixed(6))));
}

function formatMap(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}
