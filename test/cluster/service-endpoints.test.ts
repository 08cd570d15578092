// Which addresses stand behind a Service.

import type { Service } from "kubernetes-types/core/v1.js";
import type { Endpoint, EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { describe, expect, test } from "vitest";
import { serviceTable } from "./service-endpoints.ts";

function service(spec: Partial<NonNullable<Service["spec"]>> = {}): Service {
  return {
    metadata: { namespace: "vision", name: "resnet" },
    spec: { clusterIP: "10.96.1.1", ports: [{ name: "http", port: 80 }], ...spec },
  };
}

function slice(endpoints: Endpoint[], rest: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    metadata: { namespace: "vision", name: "s", labels: { "kubernetes.io/service-name": "resnet" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints,
    ...rest,
  };
}

const ready = (address: string): Endpoint => ({ addresses: [address], conditions: { ready: true, serving: true } });
const notReady = (address: string): Endpoint => ({ addresses: [address], conditions: { ready: false } });
const ending = (address: string): Endpoint => ({
  addresses: [address],
  conditions: { ready: false, serving: true, terminating: true },
});

interface Case {
  readonly services?: Service[];
  readonly slices: EndpointSlice[];
  /** `host:port` of each expected endpoint, by service address. */
  readonly table: Record<string, string[]>;
}

const cases: Record<string, Case> = {
  "a ready endpoint is used": {
    slices: [slice([ready("10.244.0.2")])],
    table: { "10.96.1.1:80": ["10.244.0.2:8080"] },
  },
  "an endpoint without conditions counts as ready": {
    slices: [slice([{ addresses: ["10.244.0.2"] }])],
    table: { "10.96.1.1:80": ["10.244.0.2:8080"] },
  },
  "a slice may have null for its endpoints, beside one that has some": {
    slices: [slice([ready("10.244.0.2")]), slice(null as unknown as Endpoint[])],
    table: { "10.96.1.1:80": ["10.244.0.2:8080"] },
  },
  "an endpoint that is not ready is left out": {
    slices: [slice([ready("10.244.0.2"), notReady("10.244.0.3")])],
    table: { "10.96.1.1:80": ["10.244.0.2:8080"] },
  },
  "an address without any usable endpoint is not served": { slices: [slice([notReady("10.244.0.3")])], table: {} },
  "endpoints that end are used only when none is ready": {
    slices: [slice([ending("10.244.0.2"), notReady("10.244.0.3")])],
    table: { "10.96.1.1:80": ["10.244.0.2:8080"] },
  },
  "endpoints that end are left out while one is ready": {
    slices: [slice([ending("10.244.0.2"), ready("10.244.0.3")])],
    table: { "10.96.1.1:80": ["10.244.0.3:8080"] },
  },
  "two slices of one Service add up, each with its own port": {
    slices: [
      slice([ready("10.244.0.2")]),
      slice([ready("10.244.0.9")], { ports: [{ name: "http", port: 20_001, protocol: "TCP" }] }),
    ],
    table: { "10.96.1.1:80": ["10.244.0.2:8080", "10.244.0.9:20001"] },
  },
  "the same endpoint in two slices counts once": {
    slices: [slice([ready("10.244.0.2")]), slice([ready("10.244.0.2")])],
    table: { "10.96.1.1:80": ["10.244.0.2:8080"] },
  },
  "a slice of another namespace is another Service's": {
    slices: [
      slice([ready("10.244.0.2")], {
        metadata: { namespace: "audio", labels: { "kubernetes.io/service-name": "resnet" } },
      }),
    ],
    table: {},
  },
  "ports are matched by name": {
    services: [service({ ports: [{ name: "grpc", port: 9000 }] })],
    slices: [slice([ready("10.244.0.2")])],
    table: {},
  },
  "the only port of a Service may have no name": {
    services: [service({ ports: [{ port: 80 }] })],
    slices: [slice([ready("10.244.0.2")], { ports: [{ name: "", port: 8080, protocol: "TCP" }] })],
    table: { "10.96.1.1:80": ["10.244.0.2:8080"] },
  },
  "UDP is not carried": {
    services: [service({ ports: [{ name: "http", port: 80, protocol: "UDP" }] })],
    slices: [slice([ready("10.244.0.2")], { ports: [{ name: "http", port: 8080, protocol: "UDP" }] })],
    table: {},
  },
  "IPv6 slices are not carried": { slices: [slice([ready("fd00::2")], { addressType: "IPv6" })], table: {} },
  "a headless Service has no address to serve": {
    services: [service({ clusterIP: "None" })],
    slices: [slice([ready("10.244.0.2")])],
    table: {},
  },
  "an external name has no address to serve": {
    services: [{ metadata: { namespace: "vision", name: "resnet" }, spec: { externalName: "example.org" } }],
    slices: [slice([ready("10.244.0.2")])],
    table: {},
  },
};

describe("serviceTable", () => {
  test.each(Object.entries(cases))("%s", (_sentence, { services = [service()], slices, table }) => {
    const found = [...serviceTable(services, slices)].map(([address, endpoints]) => [
      address,
      endpoints.map(({ host, port }) => `${host}:${port}`),
    ]);
    expect(Object.fromEntries(found)).toEqual(table);
  });
});
