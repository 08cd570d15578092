// Which namespaces are watched, and that none is acted upon before everything in it is known.

import { Registry } from "prom-client";
import { afterAll, afterEach, expect, test } from "vitest";
import { makeInferenceService } from "../api/testing.ts";
import { ApiError } from "../kube/errors.ts";
import { controllerMetrics } from "../kube/metrics.ts";
import { silentLogger, until } from "../kube/testing.ts";
import type { KubeClient, KubeObject, ListOptions, ResourceType } from "../kube/types.ts";
import { createRecorder } from "../observability/metrics.ts";
import { Caches } from "./caches.ts";

const everywhere = "(all)";
const stop = new AbortController();
let held = new Set<string>();
/** What is said of the service. */
let said: { generation?: number; status?: object } = {};

afterEach(() => {
  held = new Set();
  said = {};
});

afterAll(() => stop.abort());

/** An API server with one InferenceService in each namespace; `hold` names lists that do not answer, `refuse` those with 403. */
function makeCaches(namespaces: readonly string[] | undefined, refuse: readonly string[] = []) {
  const lists: string[] = [];
  const enqueued: string[] = [];
  const refused = new Set(refuse);
  const list = async (type: ResourceType<KubeObject>, { namespace = everywhere }: ListOptions = {}) => {
    lists.push(`${type.plural} ${namespace}`);
    if (refused.has(namespace)) throw new ApiError(`list ${type.kind} ${namespace}`, 403, { reason: "Forbidden" });
    while (held.has(`${type.plural} ${namespace}`)) await new Promise((resolve) => setTimeout(resolve, 1));
    const service = makeInferenceService();
    service.metadata.namespace = namespace === everywhere ? "vision" : namespace;
    Object.assign(service.metadata, said.generation === undefined ? {} : { generation: said.generation });
    Object.assign(service, said.status === undefined ? {} : { status: said.status });
    return { metadata: { resourceVersion: "1" }, items: type.kind === "InferenceService" ? [service] : [] };
  };
  // A watch in which nothing happens.
  const watch = async function* (_type: unknown, { signal }: { signal?: AbortSignal }) {
    await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    yield* [];
  };
  const client = { list, watch } as unknown as KubeClient;
  const metrics = createRecorder(new Registry(), controllerMetrics);
  const caches = new Caches({
    client,
    logger: silentLogger,
    metrics,
    namespaces,
    enqueue: (key) => enqueued.push(key),
  });
  const worldKeys = () =>
    [...caches.world().services()].map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  return { caches, lists, enqueued, refused, worldKeys, run: () => startAll(caches) };
}

function startAll(caches: Caches): void {
  for (const reflector of caches.reflectors) void reflector.run(stop.signal);
}

test("without a list of namespaces each kind is listed once, everywhere", async () => {
  const { caches, lists, enqueued, run } = makeCaches(undefined);
  run();
  await caches.settled;
  expect(lists.toSorted()).toEqual([...new Set(lists)].toSorted());
  expect(lists.every((line) => line.endsWith(everywhere))).toBe(true);
  await until(() => enqueued.length > 0, "the service is enqueued");
  expect(enqueued).toEqual(["vision/resnet"]);
});

test("with one, each kind is listed in each of them and nowhere else", async () => {
  const { caches, lists, worldKeys, run } = makeCaches(["vision", "speech"]);
  run();
  await caches.settled;
  const wheres = (plural: string) => lists.filter((line) => line.startsWith(`${plural} `)).toSorted();
  expect(wheres("inferenceservices")).toEqual(["inferenceservices speech", "inferenceservices vision"]);
  expect(wheres("pods")).toEqual(["pods speech", "pods vision"]);
  expect(worldKeys().toSorted()).toEqual(["speech/resnet", "vision/resnet"]);
});

test("a namespace of which one kind is not known yet is not acted upon", async () => {
  held.add("deployments vision");
  const { caches, enqueued, worldKeys, run } = makeCaches(["vision", "speech"]);
  run();
  await until(() => enqueued.length > 0, "the other one is acted upon");
  expect(enqueued).toEqual(["speech/resnet"]);
  expect(worldKeys()).toEqual(["speech/resnet"]);
  expect(caches.hasSettled).toBe(false);
  held.clear();
  await until(() => enqueued.length > 1, "then it is");
  expect(enqueued).toEqual(["speech/resnet", "vision/resnet"]);
  expect(caches.hasSettled).toBe(true);
});

test("a namespace that may not be read stops nobody, and is taken up once it may be", async () => {
  const { caches, enqueued, refused, worldKeys, run } = makeCaches(["forbidden", "speech"], ["forbidden"]);
  run();
  await caches.settled;
  expect(enqueued).toEqual(["speech/resnet"]);
  expect(worldKeys()).toEqual(["speech/resnet"]);
  refused.clear();
  await until(() => enqueued.length > 1, "the permissions are noticed");
  expect(worldKeys().toSorted()).toEqual(["forbidden/resnet", "speech/resnet"]);
});

test("without permission to read all namespaces there is nothing to settle for", async () => {
  const { caches, lists, run } = makeCaches(undefined, [everywhere]);
  run();
  await until(() => lists.length >= 6, "all kinds were tried");
  expect(caches.hasSettled).toBe(false);
});

test("a service is read once, not at each look at it", async () => {
  const { caches, run } = makeCaches(undefined);
  run();
  await caches.settled;
  const world = caches.world();
  const [first] = world.services();
  const [again] = world.services();
  expect(first).toBeDefined();
  expect(again).toBe(first);
});

const ready = { type: "Ready", status: "True" };
test.each([
  { sentence: "ready, and its spec is known", status: { observedGeneration: 3, conditions: [ready] }, urgent: false },
  { sentence: "ready, but edited since", status: { observedGeneration: 2, conditions: [ready] }, urgent: true },
  {
    sentence: "not ready",
    status: { observedGeneration: 3, conditions: [{ ...ready, status: "False" }] },
    urgent: true,
  },
  { sentence: "new", status: undefined, urgent: true },
  { sentence: "of a status that nobody here wrote", status: { observedGeneration: 3, conditions: "x" }, urgent: true },
])("a service that is $sentence: urgent is $urgent", async ({ status, urgent }) => {
  said = { generation: 3, ...(status === undefined ? {} : { status }) };
  const { caches, run } = makeCaches(undefined);
  run();
  await caches.settled;
  expect(caches.isUrgent("vision/resnet")).toBe(urgent);
  expect(caches.isUrgent("vision/gone")).toBe(false);
});
