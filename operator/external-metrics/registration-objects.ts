// The objects that make kube-apiserver send external.metrics.k8s.io to this server, and how to tell that they do.

import { isIPv6 } from "node:net";
import { isDeepStrictEqual } from "node:util";
import type { Service, ServicePort } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import type { ApiService } from "../kube/resource-types.ts";
import { joinPem } from "./pem.ts";
import { metricsGroup, metricsVersion } from "./routes.ts";

/** The name of the Service, the EndpointSlice and the Secret. */
export const externalMetricsName = "plimsoll-external-metrics";
export const apiServiceName = `${metricsVersion}.${metricsGroup}`;

/** Where the server is reached: pods that a Service selects, or one address when the operator runs outside the cluster. */
export type Reach =
  | { readonly selector: Readonly<Record<string, string>>; readonly port: number }
  | { readonly endpoint: { readonly ip: string; readonly port: number } };

const labels = { "app.kubernetes.io/name": "plimsoll", "app.kubernetes.io/managed-by": "plimsoll" };
const servicePort = 443;
const portName = "https";

/** Names that the serving certificate needs; kube-apiserver asks for the first. */
export function servingNames(namespace: string): [string, string] {
  const name = `${externalMetricsName}.${namespace}.svc`;
  return [name, `${name}.cluster.local`];
}

export function makeService(namespace: string, reach: Reach): Service {
  const targetPort = "endpoint" in reach ? reach.endpoint.port : reach.port;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: externalMetricsName, namespace, labels },
    spec: {
      ports: [{ name: portName, protocol: "TCP", port: servicePort, targetPort }],
      ...("selector" in reach ? { selector: { ...reach.selector } } : {}),
    },
  };
}

export function makeEndpointSlice(namespace: string, { ip, port }: { ip: string; port: number }): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: externalMetricsName,
      namespace,
      labels: {
        ...labels,
        "kubernetes.io/service-name": externalMetricsName,
        "endpointslice.kubernetes.io/managed-by": "plimsoll.dev",
      },
    },
    addressType: isIPv6(ip) ? "IPv6" : "IPv4",
    endpoints: [{ addresses: [ip], conditions: { ready: true } }],
    ports: [{ name: portName, protocol: "TCP", port }],
  };
}

export function makeApiService(namespace: string, authorities: readonly string[]): ApiService {
  return {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: apiServiceName, labels },
    spec: {
      group: metricsGroup,
      version: metricsVersion,
      groupPriorityMinimum: 100,
      versionPriority: 100,
      service: { namespace, name: externalMetricsName, port: servicePort },
      caBundle: Buffer.from(joinPem(authorities)).toString("base64"),
    },
  };
}

/** Whose the APIService is, when it is not ours: `namespace/name` of the Service that answers it. */
export function foreignOwner({ spec }: ApiService, namespace: string): string | undefined {
  const service = spec?.service;
  if (service === undefined) return "kube-apiserver";
  const ours = service.namespace === namespace && service.name === externalMetricsName;
  return ours ? undefined : `${service.namespace}/${service.name}`;
}

/** A merge patch that makes `actual` do what `desired` says, or undefined when it does. */
export function servicePatch(actual: Service, desired: Service): object | undefined {
  const same =
    hasLabels(actual, desired) &&
    isDeepStrictEqual(actual.spec?.selector ?? {}, desired.spec?.selector ?? {}) &&
    isDeepStrictEqual(actual.spec?.ports?.map(comparablePort), desired.spec?.ports?.map(comparablePort));
  if (same) return undefined;
  const { ports, selector } = desired.spec ?? {};
  // A merge patch keeps keys that it does not mention.
  const exactly = selector === undefined ? null : { ...nulls(actual.spec?.selector), ...selector };
  return withVersion(actual, desired, { spec: { ports, selector: exactly } });
}

export function endpointSlicePatch(actual: EndpointSlice, desired: EndpointSlice): object | undefined {
  const same =
    hasLabels(actual, desired) && isDeepStrictEqual(comparableEndpoints(actual), comparableEndpoints(desired));
  return same ? undefined : withVersion(actual, desired, { endpoints: desired.endpoints, ports: desired.ports });
}

/** The patch carries the resource version: an APIService that changes hands in between is not overwritten. */
export function apiServicePatch(actual: ApiService, desired: ApiService): object | undefined {
  const same = hasLabels(actual, desired) && isDeepStrictEqual(comparableSpec(actual), comparableSpec(desired));
  return same ? undefined : withVersion(actual, desired, { spec: { ...desired.spec, insecureSkipTLSVerify: false } });
}

function withVersion(
  actual: { metadata?: { resourceVersion?: string } },
  desired: { metadata?: { labels?: Record<string, string> } },
  patch: object,
): object {
  const { resourceVersion } = actual.metadata ?? {};
  return { metadata: { resourceVersion, labels: desired.metadata?.labels }, ...patch };
}

/** Labels that others add stay. */
function hasLabels(
  actual: { metadata?: { labels?: Record<string, string> } },
  desired: { metadata?: { labels?: Record<string, string> } },
): boolean {
  return Object.entries(desired.metadata?.labels ?? {}).every(
    ([key, value]) => actual.metadata?.labels?.[key] === value,
  );
}

function comparablePort({ name, protocol, port, targetPort }: ServicePort): unknown[] {
  return [name, protocol, port, targetPort];
}

function nulls(map: Readonly<Record<string, string>> = {}): Record<string, null> {
  return Object.fromEntries(Object.keys(map).map((key) => [key, null]));
}

/** An empty list arrives as null, whatever the type says. */
function comparableEndpoints({
  endpoints,
  ports,
}: { [Key in "endpoints" | "ports"]?: EndpointSlice[Key] | null }): unknown[] {
  return [
    endpoints?.map(({ addresses, conditions }) => [addresses, conditions?.ready ?? true]),
    ports?.map(({ name, protocol, port }) => [name, protocol, port]),
  ];
}

function comparableSpec({ spec }: ApiService): object {
  return {
    ...spec,
    service: { ...spec?.service, port: spec?.service?.port ?? servicePort },
    insecureSkipTLSVerify: spec?.insecureSkipTLSVerify ?? false,
  };
}
