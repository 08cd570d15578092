// What the reconciler writes, in which order, and what it makes of refusals. How the API server merges the writes is
// for the integration tests: the client here takes each one and returns it.

import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { Pod, Service } from "kubernetes-types/core/v1.js";
import { expect, test } from "vitest";
import type { Condition } from "../api/conditions.ts";
import type { RawInferenceService } from "../api/inference-service.ts";
import { makeInferenceService } from "../api/testing.ts";
import { ApiError, ConflictError, TerminalError } from "../kube/errors.ts";
import { Store } from "../kube/store.ts";
import { silentLogger } from "../kube/testing.ts";
import type { KubeClient, KubeObject, WriteOptions } from "../kube/types.ts";
import { createReconciler, type Listers } from "./reconcile.ts";

const now = new Date("2026-03-01T12:00:00Z");

function emptyStore<T extends KubeObject>(): Store<T> {
  return new Store<T>({
    onListenerError: (error) => {
      throw error;
    },
  });
}

class Stage {
  readonly pods: Pod[] = [];
  /** The reasons of the events that were recorded. */
  readonly events: string[] = [];
  readonly caches = {
    inferenceServices: emptyStore<RawInferenceService>(),
    deployments: emptyStore(),
    services: emptyStore<Service>(),
    horizontalPodAutoscalers: emptyStore<HorizontalPodAutoscaler>(),
    podDisruptionBudgets: emptyStore(),
    podsOf: () => this.pods,
  } satisfies { [Kind in keyof Listers]: unknown };
  readonly writes: string[] = [];
  readonly bodies: object[] = [];
  /** Thrown at the write of that name, such as `create Deployment`. */
  readonly refusals = new Map<string, Error>();

  /** The service as the API server has it; undefined: as the cache has it. */
  live: RawInferenceService | "gone" | undefined;

  readonly #client = {
    get: async (_type: unknown, { namespace, name }: { namespace: string; name: string }) =>
      this.live === "gone" ? undefined : (this.live ?? this.caches.inferenceServices.get(`${namespace}/${name}`)),
    create: async (type: { kind: string }, object: object, options: WriteOptions) =>
      this.#write(`create ${type.kind}`, options, object),
    apply: async (type: { kind: string }, object: object, options: WriteOptions) =>
      this.#write(`apply ${type.kind}`, options, object),
    patch: async (type: { kind: string }, _ref: unknown, patch: object, options: WriteOptions) =>
      this.#write(`patch ${type.kind}`, options, patch),
    delete: async (type: { kind: string }, _ref: unknown, options: { uid?: string }) => {
      this.#write(`delete ${type.kind} ${options.uid}`, {}, {});
      return true;
    },
  };

  #write(what: string, { subresource }: { subresource?: string }, body: object): object {
    const name = subresource === undefined ? what : `${what}/${subresource}`;
    const refusal = this.refusals.get(name);
    if (refusal !== undefined) throw refusal;
    this.writes.push(name);
    this.bodies.push(body);
    return body;
  }

  reconcile(key = "vision/resnet") {
    const reconcile = createReconciler({
      client: this.#client as unknown as KubeClient,
      listers: this.caches as unknown as Listers,
      settings: { serverImage: "plimsoll/server:dev", hpaTolerance: true },
      now: () => now,
      events: { record: (_object, { reason }) => void this.events.push(reason) },
    });
    return reconcile(key, AbortSignal.timeout(60_000), { reconcileId: "r1", logger: silentLogger });
  }

  /** The conditions that were written, as `status reason: message`. */
  get conditions(): Record<string, string> {
    const { status } = this.bodies.at(-1) as { status: { conditions: Condition[] } };
    return Object.fromEntries(status.conditions.map((c) => [c.type, `${c.status} ${c.reason}: ${c.message}`]));
  }
}

function stageWith(service: RawInferenceService): Stage {
  const stage = new Stage();
  stage.caches.inferenceServices.set(service);
  return stage;
}

/** An object of the children's name, controlled by whoever has the UID. */
function childOf(uid: string) {
  const owner = { apiVersion: "v1", kind: "Owner", name: "owner", uid, controller: true };
  return { metadata: { namespace: "vision", name: "resnet-predictor", uid: "c1", ownerReferences: [owner] } };
}

function withMetadata(metadata: object): RawInferenceService {
  const service = makeInferenceService();
  return { ...service, metadata: { ...service.metadata, ...metadata } };
}

test("a service that is gone needs nothing: its children go by themselves", async () => {
  const stage = new Stage();
  expect(await stage.reconcile()).toEqual({});
  expect(stage.writes).toEqual([]);
});

test("a service that is being deleted is left alone", async () => {
  const service = makeInferenceService();
  const stage = stageWith({ ...service, metadata: { ...service.metadata, deletionTimestamp: "2026-03-01T11:59:00Z" } });
  expect(await stage.reconcile()).toEqual({});
  expect(stage.writes).toEqual([]);
});

test.each<[string, RawInferenceService | "gone"]>([
  ["is gone", "gone"],
  ["was made anew", withMetadata({ uid: "another" })],
  ["is being deleted", withMetadata({ deletionTimestamp: "2026-03-01T11:59:00Z" })],
])("nothing is created for a service that %s while the cache still has it", async (_what, live) => {
  const stage = stageWith(makeInferenceService());
  stage.live = live;
  await expect(stage.reconcile()).rejects.toThrow(ConflictError);
  expect(stage.writes).toEqual([]);
});

test("a paused service keeps its children as they are, and says so; any other value of the annotation pauses nothing", async () => {
  const service = makeInferenceService();
  const annotated = (value: string) => ({
    ...service,
    metadata: { ...service.metadata, annotations: { "serving.plimsoll.dev/paused": value } },
  });
  const paused = stageWith(annotated("true"));
  expect(await paused.reconcile()).toEqual({});
  expect(paused.writes).toEqual(["apply InferenceService/status"]);
  expect(paused.conditions["RolloutComplete"]).toMatch(/^Unknown Paused: .*until it is removed$/);
  const other = stageWith(annotated("no"));
  await other.reconcile();
  expect(other.writes).toContain("create Deployment");
});

test("a new service gets its four children, then a status", async () => {
  const stage = stageWith(makeInferenceService({ predictor: { minReplicas: 3 } }));
  expect(await stage.reconcile()).toEqual({});
  expect(stage.writes).toEqual([
    "create Service",
    "create PodDisruptionBudget",
    "create Deployment",
    "create HorizontalPodAutoscaler",
    "apply InferenceService/status",
  ]);
  expect(stage.bodies[2]).toMatchObject({ spec: { replicas: 3 } });
  expect(stage.bodies[3]).toMatchObject({ spec: { minReplicas: 3, maxReplicas: 10 } });
  expect(stage.conditions).toMatchObject({ Ready: "False NoReadyReplicas: 0 of at least 3 replicas are ready" });
});

test("in mode External there is no HPA, and the count is the service's own", async () => {
  const stage = stageWith(makeInferenceService({ predictor: { replicas: 4, autoScaling: { mode: "External" } } }));
  stage.caches.horizontalPodAutoscalers.set(childOf("u1"));
  await stage.reconcile();
  expect(stage.writes).toEqual([
    "create Service",
    "create PodDisruptionBudget",
    "create Deployment",
    "delete HorizontalPodAutoscaler c1",
    "apply InferenceService/status",
  ]);
  expect(stage.bodies[2]).toMatchObject({ spec: { replicas: 4 } });
});

test("in mode External somebody else's HPA of that name stays", async () => {
  const stage = stageWith(makeInferenceService({ predictor: { autoScaling: { mode: "External" } } }));
  stage.caches.horizontalPodAutoscalers.set(childOf("u9"));
  await stage.reconcile();
  expect(stage.writes.filter((write) => write.startsWith("delete"))).toEqual([]);
});

test("an object of somebody else under a child's name is left alone, said in the status, and looked at again", async () => {
  const stage = stageWith(makeInferenceService());
  stage.caches.services.set(childOf("u9"));
  expect(await stage.reconcile()).toEqual({ requeueAfterSeconds: 30 });
  expect(stage.writes).toEqual(["apply InferenceService/status"]);
  expect(stage.conditions).toMatchObject({
    Ready: expect.stringMatching(/^False ChildNotControlled: Service vision\/resnet-predictor .* Owner owner/),
  });
});

test("a spec that an older definition let in is said in the status, by field, and not tried again", async () => {
  const { spec, ...service } = makeInferenceService();
  const stage = stageWith({ ...service, spec: { predictor: { ...spec.predictor, minReplicas: -1 } } });
  await expect(stage.reconcile()).rejects.toThrow(TerminalError);
  expect(stage.writes).toEqual(["apply InferenceService/status"]);
  const said = expect.stringContaining("spec.predictor.minReplicas");
  expect(stage.conditions).toEqual({ Ready: said, Stalled: said });
  expect(stage.events).toEqual(["InvalidSpec"]);
});

test("a child that the API server does not take is said in the status, and tried again", async () => {
  const stage = stageWith(makeInferenceService());
  const message = 'Deployment "resnet-predictor" is invalid: spec.template: Invalid value';
  stage.refusals.set("create Deployment", new ApiError("create", 422, { message, reason: "Invalid" }));
  expect(await stage.reconcile()).toEqual({ requeueAfterSeconds: 30 });
  expect(stage.conditions).toMatchObject({ Ready: `False InvalidSpec: create: ${message}` });
});

test("an object that a quota forbids is said in the status, and tried again with back-off", async () => {
  const stage = stageWith(makeInferenceService());
  const refusal = new ApiError("create", 403, { message: "exceeded quota: small" });
  stage.refusals.set("create Deployment", refusal);
  await expect(stage.reconcile()).rejects.toBe(refusal);
  expect(stage.conditions).toMatchObject({ Ready: "False ChildRefused: create: exceeded quota: small" });
});

test.each([404, 409, 500, 503])(
  "a refusal by HTTP %i is no fault of the spec: it is thrown, for a retry",
  async (status) => {
    const stage = stageWith(makeInferenceService());
    const refusal = new ApiError("create", status, { message: "not now" });
    stage.refusals.set("create Deployment", refusal);
    await expect(stage.reconcile()).rejects.toBe(refusal);
    expect(stage.writes).toEqual(["create Service", "create PodDisruptionBudget"]);
  },
);
