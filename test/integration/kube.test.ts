// The generic Kubernetes machinery against a real API server: apply, ownership, crashes between writes, watching, events.

import { KubeConfig } from "@kubernetes/client-node";
import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { Event } from "kubernetes-types/events/v1.js";
import type { OwnerReference } from "kubernetes-types/meta/v1.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApplyOwnedOptions, applyOwned } from "../../operator/kube/apply.ts";
import { applyStatus } from "../../operator/kube/apply-status.ts";
import { type ClosableKubeClient, createKubeClient } from "../../operator/kube/client.ts";
import { ConflictError, NotControlledError } from "../../operator/kube/errors.ts";
import { EventRecorder } from "../../operator/kube/events.ts";
import { Reflector } from "../../operator/kube/reflector.ts";
import { configMaps, customResourceDefinitions, deployments, events } from "../../operator/kube/resource-types.ts";
import { getScale, setScale } from "../../operator/kube/scale.ts";
import { Store } from "../../operator/kube/store.ts";
import { silentLogger } from "../../operator/kube/testing.ts";
import { compact } from "../../operator/kube/transform.ts";
import type { KubeClient, KubeObject, Logger, ResourceType } from "../../operator/kube/types.ts";
import { startCluster } from "../cluster/cluster.ts";
import type { Cluster } from "../cluster/running-cluster.ts";
import { deployment as deploymentOf, kinds, namespace, type Thing, thingDefinition, things } from "./kube-objects.ts";
import { until } from "./until.ts";

const byUser = { fieldManager: "somebody" };
const managers = { fieldManager: "tester", createFieldManager: "tester-create" } as const;
const hashAnnotation = "example.com/applied-hash";

let cluster: Cluster;
let client: ClosableKubeClient;
let owner: OwnerReference;

beforeAll(async () => {
  cluster = await startCluster({ name: "kube" });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfig);
  client = createKubeClient({ kubeConfig, userAgent: "kube-test" });
  owner = await makeOwner("owner");
  await client.apply(customResourceDefinitions, thingDefinition, byUser);
  await until(async () => (await client.list(things)).items.length === 0, { what: "Things are served" });
});

afterAll(async () => {
  client?.close();
  await cluster?.stop();
});

async function makeOwner(name: string): Promise<OwnerReference> {
  const { metadata } = await client.create(configMaps, { metadata: { namespace, name } }, byUser);
  return { apiVersion: "v1", kind: "ConfigMap", name, uid: metadata?.uid ?? "", controller: true };
}

type Env = Parameters<typeof deploymentOf>[2];
const deployment = (name: string, env?: Env) => deploymentOf(name, owner, env);

type Options = Omit<ApplyOwnedOptions<KubeObject>, "live">;

function optionsFor(name: string, { type, desired, createOnly }: (typeof kinds)[number]): Options {
  return {
    client,
    type,
    desired: desired(name, owner),
    ...managers,
    hashAnnotation,
    ...(createOnly && { createOnly }),
  };
}

async function live<T extends KubeObject>(type: ResourceType<T>, name: string): Promise<T> {
  const object = await client.get(type, { namespace, name });
  if (object === undefined) throw new Error(`${type.kind} ${name} is not there`);
  return object;
}

/** Applies a Deployment as it is now in the API server. */
async function applyDeployment(desired: Deployment, options: Partial<ApplyOwnedOptions<Deployment>> = {}) {
  const { name = "" } = desired.metadata ?? {};
  const present = await client.get(deployments, { namespace, name });
  return applyOwned({
    client,
    type: deployments,
    desired,
    createOnly: { spec: { replicas: 3 } },
    live: present,
    ...managers,
    hashAnnotation,
    ...options,
  });
}

const serverOf = (object: Deployment | undefined) => object?.spec?.template.spec?.containers[0];

describe.each(kinds)("applyOwned of a $kind", (kind) => {
  const name = `kind-${kind.kind.toLowerCase()}`;

  test("creates it with two writes, and then writes nothing, from live or cached objects", async () => {
    const options = optionsFor(name, kind);
    const before = (await cluster.auditLog()).length;
    const created = await applyOwned({ ...options, live: undefined });
    expect(created.outcome).toBe("created");
    expect(created.object).toMatchObject(kind.createOnly ?? {});
    const present = await live(kind.type, name);
    const cached = compact({ fieldManagers: Object.values(managers) })(present);
    const creation = { manager: managers.createFieldManager, operation: "Update" };
    const behind = { ...present, metadata: { ...present.metadata, managedFields: [creation] } };
    for (const seen of [created.object, present, cached, behind]) {
      expect((await applyOwned({ ...options, live: seen })).outcome).toBe("unchanged");
    }
    const writes = (await cluster.auditLog()).slice(before).filter((entry) => entry.userAgent === "kube-test");
    // A take-over that comes between two writes of Kubernetes' own controllers is refused and repeated.
    const done = writes.filter(({ responseStatus }) => responseStatus?.code !== 409);
    expect(done.map(({ verb }) => verb)).toEqual(["create", "patch"]);
  });

  test("owns the very fields that the API server computes for such an apply", async () => {
    const { client: _, desired, ...options } = optionsFor(name, kind);
    const before = await live(kind.type, name);
    const annotations = { [hashAnnotation]: before.metadata?.annotations?.[hashAnnotation] ?? "" };
    await client.apply(kind.type, { ...desired, metadata: { ...desired.metadata, annotations } }, managers);
    const after = await live(kind.type, name);
    const entry = (object: KubeObject) =>
      object.metadata?.managedFields?.find(({ manager }) => manager === managers.fieldManager)?.fieldsV1;
    expect(entry(after)).toEqual(entry(before));
    expect((await applyOwned({ ...options, client, desired, live: after })).outcome).toBe("unchanged");
  });

  test("exists already although the cache does not know it: found and left as it is", async () => {
    expect((await applyOwned({ ...optionsFor(name, kind), live: undefined })).outcome).toBe("unchanged");
  });
});

describe("ownership", () => {
  test("what is left out later is gone, what others added stays, what others changed comes back", async () => {
    const name = "fields";
    await applyDeployment(
      deployment(name, [
        { name: "A", value: "1" },
        { name: "B", value: "2" },
      ]),
    );
    const byOthers = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace, name, annotations: { "somebody/note": "mine" } },
      spec: {
        template: {
          spec: { containers: [{ name: "server", image: "none:edited", env: [{ name: "THEIRS", value: "3" }] }] },
        },
      },
    };
    await client.apply<KubeObject>(deployments, byOthers, byUser);
    const second = await applyDeployment(deployment(name, [{ name: "A", value: "1" }]));
    expect(second.outcome).toBe("configured");
    const present = await live(deployments, name);
    expect(serverOf(present)?.image).toBe("none:1");
    expect(new Set(serverOf(present)?.env?.map((variable) => variable.name))).toEqual(new Set(["A", "THEIRS"]));
    expect(present.metadata?.annotations).toMatchObject({ "somebody/note": "mine" });
    expect((await applyDeployment(deployment(name, [{ name: "A", value: "1" }]))).outcome).toBe("unchanged");
  });

  test("what others removed comes back", async () => {
    const name = "removed";
    await applyDeployment(deployment(name));
    const noLabel = {
      metadata: { labels: { "example.com/a": null } },
      spec: { template: { spec: { tolerations: null } } },
    };
    await client.patch(deployments, { namespace, name }, noLabel, byUser);
    expect((await applyDeployment(deployment(name))).outcome).toBe("configured");
    const present = await live(deployments, name);
    expect(present.metadata?.labels).toHaveProperty(["example.com/a"], "b");
    expect(present.spec?.template.spec?.tolerations).toHaveLength(1);
  });

  test("replicas are written once: what /scale set afterwards stays through every apply", async () => {
    const name = "scaled";
    await applyDeployment(deployment(name));
    const readScale = () => getScale(client, deployments, { namespace, name });
    const outdated = await readScale();
    expect(outdated?.spec?.replicas).toBe(3);
    // Kubernetes' own controllers write into a new Deployment, so the first attempts may be out of date.
    await until(async () => setScale(client, deployments, { scale: (await readScale())!, replicas: 7 }, byUser), {
      what: "the scale is set",
    });
    const behind = setScale(client, deployments, { scale: outdated!, replicas: 8 }, byUser);
    await expect(behind).rejects.toMatchObject({ status: 409 });
    expect((await applyDeployment(deployment(name))).outcome).toBe("unchanged");
    expect((await applyDeployment(deployment(name, []))).outcome).toBe("configured");
    expect((await live(deployments, name)).spec?.replicas).toBe(7);
  });

  test("an object of somebody else is refused and left alone", async () => {
    const name = "taken";
    const other = await makeOwner("other");
    const theirs = deployment(name);
    await client.create(deployments, { ...theirs, metadata: { ...theirs.metadata, ownerReferences: [other] } }, byUser);
    const { metadata } = await live(deployments, name);
    for (const seen of [undefined, await live(deployments, name)]) {
      await expect(applyDeployment(deployment(name), { live: seen })).rejects.toThrow(NotControlledError);
      await expect(applyDeployment(deployment(name), { live: seen })).rejects.toThrow(/controlled by ConfigMap other/);
    }
    expect((await live(deployments, name)).metadata?.generation).toBe(metadata?.generation);
  });

  test("an object that is being deleted is waited for, and the next of its name is never taken for it", async () => {
    const name = "going";
    await applyDeployment(deployment(name));
    const finalizers = { metadata: { finalizers: ["example.com/wait"] } };
    await client.patch(deployments, { namespace, name }, finalizers, byUser);
    await client.delete(deployments, { namespace, name });
    await expect(applyDeployment(deployment(name))).rejects.toThrow(ConflictError);
    const outdated = await live(deployments, name);
    await client.patch(deployments, { namespace, name }, { metadata: { finalizers: null } }, byUser);
    await until(async () => (await client.get(deployments, { namespace, name })) === undefined, { what: "it is gone" });
    const cached = { ...outdated, metadata: { ...outdated.metadata } };
    Reflect.deleteProperty(cached.metadata, "deletionTimestamp");
    const changed = deployment(name, []);
    await expect(applyDeployment(changed, { live: cached })).rejects.toMatchObject({ status: 409 });
    expect(await client.get(deployments, { namespace, name })).toBeUndefined();
    const { object } = await applyDeployment(deployment(name));
    await expect(applyDeployment(changed, { live: cached })).rejects.toThrow(ConflictError);
    expect((await live(deployments, name)).metadata?.generation).toBe(object.metadata?.generation);
  });
});

/** Refuses every write after the first `allowed`, as if the program had been killed before it. */
function dyingAfter(allowed: number): KubeClient {
  let writes = 0;
  const spend = (): void => {
    writes += 1;
    if (writes > allowed) throw new Error("killed");
  };
  return {
    ...client,
    async create(type, object, options) {
      spend();
      return client.create(type, object, options);
    },
    async apply(type, object, options) {
      spend();
      return client.apply(type, object, options);
    },
    async patch(type, ref, patch, options) {
      spend();
      return client.patch(type, ref, patch, options);
    },
  };
}

/** What two objects made in different ways must have in common. */
function essence({ metadata, spec }: Deployment) {
  const { annotations, labels, managedFields } = metadata ?? {};
  const ours = managedFields
    ?.filter(({ manager }) => manager?.startsWith("tester"))
    .map(({ manager, operation, fieldsV1 }) => ({ manager, operation, fieldsV1 }));
  return { hash: annotations?.[hashAnnotation], labels, ours, spec };
}

describe("killed between two writes", () => {
  const name = "crash";
  const first = () =>
    deployment(name, [
      { name: "A", value: "1" },
      { name: "B", value: "2" },
    ]);
  const second = () => deployment(name, [{ name: "A", value: "1" }]);

  /** False when the start was cut short. */
  async function run(allowed: number, desired: Deployment): Promise<boolean> {
    return applyDeployment(desired, { client: dyingAfter(allowed) }).then(
      () => true,
      (error: Error) => {
        expect(error.message).toBe("killed");
        return false;
      },
    );
  }

  async function remove(): Promise<void> {
    await client.delete(deployments, { namespace, name });
    await until(async () => (await client.get(deployments, { namespace, name })) === undefined, { what: "it is gone" });
  }

  test.each([
    { when: "the same is still wanted", make: first },
    { when: "something else is wanted by then", make: second },
  ])("the next start ends where an undisturbed one does ($when)", async ({ make }) => {
    const wanted = make();
    await applyDeployment(wanted);
    const reference = essence(await live(deployments, name));
    await remove();
    for (let allowed = 0, complete = false; !complete; allowed += 1) {
      complete = await run(allowed, first());
      // Each further start gets one write farther, so every state in between is met.
      for (let starts = 1; !(await run(1, wanted)); starts += 1) expect(starts).toBeLessThan(20);
      expect(essence(await live(deployments, name)), `killed after ${allowed} writes`).toEqual(reference);
      expect((await applyDeployment(wanted)).outcome).toBe("unchanged");
      await remove();
    }
  });
});

describe("applyStatus", () => {
  test("writes only what differs, removes what is left out, and shares the list of conditions", async () => {
    const name = "status";
    await client.create(things, { metadata: { namespace, name }, spec: { size: 1 } }, byUser);
    const apply = async (status: object, fieldManager = "tester") => {
      const desired = { metadata: { namespace, name }, status } as Thing;
      const { outcome, object } = await applyStatus({
        client,
        type: things,
        desired,
        live: await live(things, name),
        fieldManager,
      });
      return { outcome, status: object.status };
    };
    const ready = { type: "Ready", status: "True" };
    const scaling = { type: "Scaling", status: "True" };
    expect((await apply({ phase: "Up", conditions: [ready] })).outcome).toBe("configured");
    expect((await apply({ conditions: [scaling] }, "another")).outcome).toBe("configured");
    expect((await apply({ phase: "Up", conditions: [ready] })).outcome).toBe("unchanged");
    expect((await apply({ conditions: [scaling] }, "another")).outcome).toBe("unchanged");
    const down = { type: "Ready", status: "False" };
    expect(await apply({ conditions: [down] })).toEqual({
      outcome: "configured",
      status: { conditions: expect.arrayContaining([down, scaling]) as unknown },
    });
    const edited = { status: { conditions: [{ type: "Ready", status: "True" }] } };
    await client.patch(things, { namespace, name }, edited, { ...byUser, subresource: "status" });
    expect((await apply({ conditions: [down] })).outcome).toBe("configured");
    expect((await live(things, name)).spec).toEqual({ size: 1 });
  });
});

describe("reflector", () => {
  test("shows what the API server has, through a restart of it and in pages", async () => {
    const store = new Store<KubeObject>({ onListenerError: () => {} });
    const problems: object[] = [];
    const logger: Logger = { ...silentLogger, warn: (fields) => problems.push(fields), child: () => logger };
    const stop = new AbortController();
    const reflector = new Reflector({
      client,
      type: configMaps,
      store,
      logger,
      namespace,
      labelSelector: "test=reflector",
      pageSize: 2,
      transform: compact(),
    });
    const make = (name: string) =>
      client.create(configMaps, { metadata: { namespace, name, labels: { test: "reflector" } } }, byUser);
    for (const name of ["r1", "r2", "r3", "r4", "r5"]) await make(name);
    const running = reflector.run(stop.signal);
    await reflector.synced;
    const names = () => new Set(store.list().map(({ metadata }) => metadata?.name));
    const shows = (...wanted: string[]) =>
      until(() => names().size === wanted.length && wanted.every((one) => names().has(one)), { what: wanted.join() });
    expect(names()).toEqual(new Set(["r1", "r2", "r3", "r4", "r5"]));
    expect(store.list()[0]).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
    await client.delete(configMaps, { namespace, name: "r1" });
    await make("r6");
    await shows("r2", "r3", "r4", "r5", "r6");
    expect(problems).toEqual([]);
    await cluster.restartApiServer();
    await client.delete(configMaps, { namespace, name: "r2" });
    await make("r7");
    await shows("r3", "r4", "r5", "r6", "r7");
    expect(JSON.stringify(store.list())).not.toContain("managedFields");
    stop.abort();
    await running;
  });

  test("a kind that does not exist yet is listed as soon as it does", async () => {
    const later: ResourceType<KubeObject> = { ...things, kind: "Later", plural: "laters" };
    const stop = new AbortController();
    const store = new Store<KubeObject>({ onListenerError: () => {} });
    const reflector = new Reflector({ client, type: later, store, logger: silentLogger, random: () => 0 });
    const running = reflector.run(stop.signal);
    const names = { plural: "laters", singular: "later", kind: "Later", listKind: "LaterList" };
    await client.apply(
      customResourceDefinitions,
      {
        ...thingDefinition,
        metadata: { name: "laters.example.com" },
        spec: { ...thingDefinition.spec, names },
      } as KubeObject,
      byUser,
    );
    await reflector.synced;
    stop.abort();
    await running;
  });
});

test("events reach the object's history, and repeats are counted", async () => {
  const regarding = await live(configMaps, "owner");
  let nowMs = 0;
  const recorder = new EventRecorder({
    client,
    reportingController: "example.com/tester",
    reportingInstance: "test",
    logger: silentLogger,
    signal: new AbortController().signal,
    clock: { nowMs: () => nowMs, schedule: () => () => {} },
  });
  const details = { type: "Normal", reason: "Tested", action: "Test", message: "it was tested" } as const;
  const find = async (): Promise<Event | undefined> =>
    (await client.list(events, { namespace, fieldSelector: "reason=Tested" })).items[0];
  recorder.record(regarding, details);
  await recorder.flush();
  expect(await find()).toMatchObject({
    note: "it was tested",
    regarding: { name: "owner", uid: regarding.metadata?.uid },
  });
  nowMs = 60_000;
  recorder.record(regarding, details);
  await recorder.flush();
  expect((await find())?.series?.count).toBe(2);
  const { stdout } = await cluster.kubectl(["-n", namespace, "describe", "configmap", "owner"]);
  expect(stdout).toMatch(/Normal\s+Tested.*x2.*it was tested/s);
});
