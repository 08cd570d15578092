// Which addresses stand behind each address of a Service: PURE, from Services and their EndpointSlices.

import type { Service, ServicePort } from "kubernetes-types/core/v1.js";
import type { Endpoint, EndpointPort, EndpointSlice } from "kubernetes-types/discovery/v1.js";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `host:port` of each service address to the addresses that serve it; only those that at least one serves. */
export type ServiceTable = ReadonlyMap<string, readonly Address[]>;

interface Candidate {
  readonly endpoint: Endpoint;
  readonly port: EndpointPort;
}

function isTcp(port: { readonly protocol?: string }): boolean {
  return (port.protocol ?? "TCP") === "TCP";
}

/** The virtual address, or `undefined` for headless and external services, which have none. */
function virtualAddress(service: Service): string | undefined {
  const address = service.spec?.clusterIP;
  return address === undefined || address === "" || address === "None" ? undefined : address;
}

function isReady({ endpoint: { conditions } }: Candidate): boolean {
  return conditions?.ready ?? true;
}

function isServingWhileTerminating({ endpoint: { conditions } }: Candidate): boolean {
  return conditions?.terminating === true && (conditions.serving ?? false);
}

/** The API server writes an empty list as null, whatever its schema says. */
function endpointsOf({ endpoints }: { readonly endpoints: readonly Endpoint[] | null }): readonly Endpoint[] {
  return endpoints ?? [];
}

/** Ready endpoints; with none left, those that end but still serve, as kube-proxy does. */
function addressesBehind(port: ServicePort, slices: readonly EndpointSlice[]): Address[] {
  const candidates = slices
    .filter((slice) => slice.addressType === "IPv4")
    .flatMap((slice) =>
      (slice.ports ?? [])
        .filter((candidate) => isTcp(candidate) && (candidate.name ?? "") === (port.name ?? ""))
        .flatMap((candidate) => endpointsOf(slice).map((endpoint) => ({ endpoint, port: candidate }))),
    );
  const ready = candidates.filter(isReady);
  const chosen = ready.length > 0 ? ready : candidates.filter(isServingWhileTerminating);
  const found = new Map<string, Address>();
  for (const { endpoint, port: target } of chosen) {
    const host = endpoint.addresses[0];
    // Two slices may name the same address while one is being replaced by the other.
    if (host !== undefined && target.port !== undefined)
      found.set(`${host}:${target.port}`, { host, port: target.port });
  }
  return [...found.values()];
}

/** Every TCP address that Services promise and somebody serves. */
export function serviceTable(services: readonly Service[], slices: readonly EndpointSlice[]): ServiceTable {
  const ofService = Map.groupBy(
    slices,
    ({ metadata }) => `${metadata?.namespace}/${metadata?.labels?.["kubernetes.io/service-name"]}`,
  );
  const table = new Map<string, readonly Address[]>();
  for (const service of services) {
    const host = virtualAddress(service);
    if (host === undefined) continue;
    const own = ofService.get(`${service.metadata?.namespace}/${service.metadata?.name}`) ?? [];
    for (const port of (service.spec?.ports ?? []).filter(isTcp)) {
      const addresses = addressesBehind(port, own);
      if (addresses.length > 0) table.set(`${host}:${port.port}`, addresses);
    }
  }
  return table;
}
