// What is registered with kube-apiserver, restored, and left alone.

import { beforeEach, describe, expect, test } from "vitest";
import { apiServices, endpointSlices, services } from "../kube/resource-types.ts";
import { silentLogger } from "../kube/testing.ts";
import type { KubeObject, ObjectRef, ResourceType } from "../kube/types.ts";
import { InMemoryClient } from "./in-memory-client.ts";
import { Registrar } from "./registration.ts";
import { apiServiceName, type Reach } from "./registration-objects.ts";

const namespace = "plimsoll-system";
const ref = { namespace, name: "plimsoll-external-metrics" };
const service = "Service plimsoll-system/plimsoll-external-metrics";
const slice = "EndpointSlice plimsoll-system/plimsoll-external-metrics";
const apiService = `APIService ${apiServiceName}`;
const bundle = ["-----BEGIN CERTIFICATE-----\nnew\n-----END CERTIFICATE-----\n", "older\n"];
const outside: Reach = { endpoint: { ip: "10.10.0.1", port: 6443 } };
const inside: Reach = { selector: { "app.kubernetes.io/name": "plimsoll" }, port: 6443 };
const { signal } = new AbortController();

let client: InMemoryClient;

beforeEach(() => {
  client = new InMemoryClient();
});

function ensure(reach: Reach = outside, mayWrite = true) {
  return new Registrar({ client, namespace, reach, mayWrite: () => mayWrite, logger: silentLogger }).ensure(
    bundle,
    signal,
  );
}

async function change<T extends KubeObject>(type: ResourceType<T>, where: ObjectRef, patch: object): Promise<void> {
  await client.patch(type, where, patch);
  client.writes.length = 0;
}

function available(status: string): Promise<void> {
  const conditions = [{ type: "Available", status, reason: "FailedDiscoveryCheck", message: "no route to host" }];
  return change(apiServices, { name: apiServiceName }, { status: { conditions } });
}

test("an operator outside the cluster is reached by an address", async () => {
  await ensure();
  expect(client.writes).toEqual([`create ${service}`, `create ${slice}`, `create ${apiService}`]);
  expect((await client.get(services, ref))?.spec).toEqual({
    ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: 6443 }],
  });
  expect(await client.get(endpointSlices, ref)).toMatchObject({
    metadata: {
      labels: {
        "kubernetes.io/service-name": "plimsoll-external-metrics",
        "endpointslice.kubernetes.io/managed-by": "plimsoll.dev",
      },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.10.0.1"], conditions: { ready: true } }],
    ports: [{ name: "https", protocol: "TCP", port: 6443 }],
  });
});

test("an operator in a pod is reached by a selector", async () => {
  await ensure(inside);
  expect(client.writes).toEqual([`create ${service}`, `create ${apiService}`]);
  expect((await client.get(services, ref))?.spec?.selector).toEqual({ "app.kubernetes.io/name": "plimsoll" });
});

test("the APIService carries the whole bundle and never skips verification", async () => {
  await ensure();
  expect((await client.get(apiServices, { name: apiServiceName }))?.spec).toEqual({
    group: "external.metrics.k8s.io",
    version: "v1beta1",
    groupPriorityMinimum: 100,
    versionPriority: 100,
    service: { namespace, name: "plimsoll-external-metrics", port: 443 },
    caBundle: Buffer.from(bundle.join("")).toString("base64"),
  });
});

describe("nothing is written", () => {
  test.each<[sentence: string, reach: Reach]>([
    ["by a restarted operator outside the cluster", outside],
    ["by a restarted operator in a pod", inside],
  ])("%s when all is in place", async (_sentence, reach) => {
    await ensure(reach);
    client.writes.length = 0;
    await ensure(reach);
    expect(client.writes).toEqual([]);
  });

  test("when the API server has filled in its defaults and others their labels", async () => {
    await ensure();
    await change(services, ref, {
      metadata: { labels: { team: "a" } },
      spec: { clusterIP: "10.96.0.9", type: "ClusterIP" },
    });
    await change(endpointSlices, ref, {
      endpoints: [{ addresses: ["10.10.0.1"], conditions: { ready: true, serving: true } }],
    });
    await change(apiServices, { name: apiServiceName }, { metadata: { annotations: { a: "b" } } });
    await ensure();
    expect(client.writes).toEqual([]);
  });

  test("by a replica that may not write", async () => {
    expect(await ensure(outside, false)).toEqual({ kind: "waiting" });
    expect(client.writes).toEqual([]);
    await ensure();
    await available("True");
    expect(await ensure(outside, false)).toEqual({ kind: "registered", problem: undefined });
  });
});

describe("restored is", () => {
  test.each<[sentence: string, alter: () => Promise<unknown>, written: string[]]>([
    ["a deleted APIService", () => client.delete(apiServices, { name: apiServiceName }), [`create ${apiService}`]],
    ["a deleted Service", () => client.delete(services, ref), [`create ${service}`]],
    ["a deleted EndpointSlice", () => client.delete(endpointSlices, ref), [`create ${slice}`]],
    [
      "a bundle that was taken away in favour of skipping verification",
      () => change(apiServices, { name: apiServiceName }, { spec: { caBundle: null, insecureSkipTLSVerify: true } }),
      [`patch ${apiService}`],
    ],
    [
      "another bundle",
      () => change(apiServices, { name: apiServiceName }, { spec: { caBundle: "AAAA" } }),
      [`patch ${apiService}`],
    ],
    ["another port", () => change(services, ref, { spec: { ports: [{ port: 80 }] } }), [`patch ${service}`]],
    [
      "a Service that was given a selector",
      () => change(services, ref, { spec: { selector: { a: "b" } } }),
      [`patch ${service}`],
    ],
    [
      "an emptied EndpointSlice, which the API server shows as null",
      async () => {
        await client.delete(endpointSlices, ref);
        const labels = { "kubernetes.io/service-name": ref.name };
        const emptied = { metadata: { ...ref, labels }, addressType: "IPv4", endpoints: null, ports: null };
        await client.create(endpointSlices, emptied as never);
      },
      [`patch ${slice}`],
    ],
    [
      "the label that ties the EndpointSlice to its Service",
      () => change(endpointSlices, ref, { metadata: { labels: { "kubernetes.io/service-name": "other" } } }),
      [`patch ${slice}`],
    ],
  ])("%s", async (_sentence, alter, written) => {
    await ensure();
    const wanted = await everything();
    await alter();
    client.writes.length = 0;
    await ensure();
    expect(client.writes).toEqual(written);
    expect(await everything()).toEqual(wanted);
    client.writes.length = 0;
    await ensure();
    expect(client.writes).toEqual([]);
  });
});

async function everything(): Promise<unknown> {
  const found = await Promise.all([
    client.get(services, ref),
    client.get(endpointSlices, ref),
    client.get(apiServices, { name: apiServiceName }),
  ]);
  return found.map((object) => {
    const { spec, endpoints, ports } = object as unknown as Record<string, unknown>;
    const { insecureSkipTLSVerify: _, ...rest } = (spec ?? {}) as Record<string, unknown>;
    return { labels: object?.metadata?.labels, spec: rest, endpoints, ports };
  });
}

describe("an APIService of another provider", () => {
  async function takeOver(namespacedName: string): Promise<void> {
    const [inNamespace = "", name = ""] = namespacedName.split("/");
    await change(apiServices, { name: apiServiceName }, { spec: { service: { namespace: inNamespace, name } } });
  }

  test.each([["keda/keda-operator-metrics-apiserver"], ["plimsoll-system/other"], ["other/plimsoll-external-metrics"]])(
    "(%s) is never overwritten, whoever may write",
    async (owner) => {
      await ensure();
      await takeOver(owner);
      expect(await ensure()).toEqual({ kind: "foreign", owner });
      expect(client.writes).toEqual([]);
    },
  );

  test("that kube-apiserver serves itself is never overwritten", async () => {
    const spec = { group: "external.metrics.k8s.io", version: "v1beta1" };
    await client.create(apiServices, { metadata: { name: apiServiceName }, spec });
    client.writes.length = 0;
    expect(await ensure()).toEqual({ kind: "foreign", owner: "kube-apiserver" });
    expect(client.writes).toEqual([]);
  });

  test("that comes between the look and the write is not overwritten", async () => {
    await ensure();
    await change(apiServices, { name: apiServiceName }, { spec: { caBundle: "AAAA" } });
    let came = false;
    client.before = (verb, what) => {
      if (came || verb !== "patch" || what !== apiService) return;
      came = true;
      void takeOver("keda/keda");
    };
    expect(await ensure()).toEqual({ kind: "foreign", owner: "keda/keda" });
    expect((await client.get(apiServices, { name: apiServiceName }))?.spec?.service).toMatchObject({
      namespace: "keda",
    });
  });

  test("that is created at the same moment is not overwritten", async () => {
    client.before = (verb, what) => {
      if (verb !== "create" || what !== apiService) return;
      client.before = () => undefined;
      void client.create(apiServices, {
        metadata: { name: apiServiceName },
        spec: { service: { namespace: "keda", name: "keda" } },
      });
    };
    expect(await ensure()).toEqual({ kind: "foreign", owner: "keda/keda" });
  });

  test("that goes away leaves its place to us", async () => {
    await ensure();
    await takeOver("keda/keda");
    await client.delete(apiServices, { name: apiServiceName });
    expect(await ensure()).toMatchObject({ kind: "registered" });
  });
});

describe("moving the operator", () => {
  test("into the cluster takes the address out of the way", async () => {
    await ensure(outside);
    client.writes.length = 0;
    await ensure(inside);
    expect(client.writes).toEqual([`patch ${service}`, `delete ${slice}`]);
    expect((await client.get(services, ref))?.spec?.selector).toEqual({ "app.kubernetes.io/name": "plimsoll" });
  });

  test("out of the cluster takes the selector away", async () => {
    await ensure(inside);
    client.writes.length = 0;
    await ensure(outside);
    expect(client.writes).toEqual([`patch ${service}`, `create ${slice}`]);
    expect((await client.get(services, ref))?.spec?.selector).toBeUndefined();
  });

  test("to an address of the other family makes a new slice, since the family of a slice is fixed", async () => {
    await ensure(outside);
    client.writes.length = 0;
    await ensure({ endpoint: { ip: "fd00::2", port: 6443 } });
    expect(client.writes).toEqual([`delete ${slice}`, `create ${slice}`]);
    expect((await client.get(endpointSlices, ref))?.addressType).toBe("IPv6");
  });

  test("to another address changes the slice", async () => {
    await ensure(outside);
    client.writes.length = 0;
    await ensure({ endpoint: { ip: "10.10.0.2", port: 7443 } });
    expect(client.writes).toEqual([`patch ${service}`, `patch ${slice}`]);
  });
});

describe("what kube-apiserver says of the APIService", () => {
  test.each<[status: string | undefined, problem: string | undefined]>([
    [undefined, "has not checked the APIService yet"],
    ["True", undefined],
    ["False", "FailedDiscoveryCheck: no route to host"],
    ["Unknown", "FailedDiscoveryCheck: no route to host"],
  ])("Available=%s is reported as %s", async (status, problem) => {
    await ensure();
    if (status !== undefined) await available(status);
    const registration = await ensure();
    expect(registration).toEqual({
      kind: "registered",
      problem: problem === undefined ? undefined : expect.stringContaining(problem),
    });
  });
});
