// The InferenceServices of the benchmark, and from when on each of them is as it was asked for.

import { inferenceServiceLabel } from "../../../operator/api/group.ts";
import { Reflector } from "../../../operator/kube/reflector.ts";
import {
  deployments,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
  services,
} from "../../../operator/kube/resource-types.ts";
import { Store } from "../../../operator/kube/store.ts";
import type { KubeClient, KubeObject, Logger, ResourceType } from "../../../operator/kube/types.ts";
import { inferenceServices, namespace, type ServiceManifest } from "../../integration/stage.ts";
import { until } from "../../integration/until.ts";
import { inParallel } from "./in-parallel.ts";

const children: readonly ResourceType<KubeObject>[] = [
  deployments,
  services,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
];
const asUser = { fieldManager: "bench-scale" } as const;
/** Requests of people at a time. */
const writers = 16;

/** An edit is watched more closely than all services together: there are a hundred times as many of them to look at. */
const editIntervalMs = 20;

export class Fleet {
  readonly #client: KubeClient;
  readonly #services: Cache<ServiceManifest>;
  readonly #children: readonly Cache<KubeObject>[];

  constructor(client: KubeClient, logger: Logger) {
    this.#client = client;
    this.#services = cache(client, inferenceServices, logger);
    this.#children = children.map((type) => cache(client, type, logger, inferenceServiceLabel));
  }

  async watch(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#caches.map(({ reflector }) => reflector.run(signal)));
  }

  async synced(): Promise<void> {
    await Promise.all(this.#caches.map(({ reflector }) => reflector.synced));
  }

  /** Applies that many services. */
  async apply(count: number): Promise<void> {
    await inParallel(count, writers, (index) => this.#write(nameOf(index), 1));
  }

  /** Deletes all of them. */
  async delete(count: number): Promise<void> {
    await inParallel(count, writers, (index) =>
      this.#client.delete(inferenceServices, { namespace, name: nameOf(index) }),
    );
  }

  /** Edits one service; resolves with the seconds until its status describes the edit and its Deployment has it. */
  async edit(index: number, version: number, timeoutSeconds: number): Promise<number> {
    const name = nameOf(index);
    const startedAt = performance.now();
    const { metadata } = await this.#write(name, version);
    await until(() => this.#isDone(name, metadata?.generation ?? 0, version), {
      what: `${name} is as it was edited`,
      timeoutSeconds,
      intervalMs: editIntervalMs,
    });
    return (performance.now() - startedAt) / 1000;
  }

  /** Resolves when every service has all its children and a status that describes its newest spec. */
  async settled(count: number, timeoutSeconds: number): Promise<void> {
    const names = Array.from({ length: count }, (_, index) => nameOf(index));
    await until(() => names.every((name) => this.#isSettled(name)), {
      what: `${count} services are settled`,
      timeoutSeconds,
    });
  }

  /** Resolves when every service says that it is ready. */
  async ready(count: number, timeoutSeconds: number): Promise<void> {
    const names = Array.from({ length: count }, (_, index) => nameOf(index));
    await until(() => names.every((name) => this.#isReady(name)), {
      what: `${count} services are ready`,
      timeoutSeconds,
    });
  }

  /** Resolves when neither services nor children are left. */
  async gone(timeoutSeconds: number): Promise<void> {
    await until(() => this.left() === 0, { what: "services and their children are gone", timeoutSeconds });
  }

  /** Services and children that exist. */
  left(): number {
    return this.#caches.reduce((sum, { store }) => sum + store.list().length, 0);
  }

  get #caches(): readonly Cache<KubeObject>[] {
    return [this.#services, ...this.#children];
  }

  #isSettled(name: string): boolean {
    const generation = this.#services.store.get(`${namespace}/${name}`)?.metadata?.generation;
    return generation !== undefined && this.#isDone(name, generation);
  }

  #isReady(name: string): boolean {
    const conditions = this.#services.store.get(`${namespace}/${name}`)?.status?.conditions ?? [];
    return conditions.some(({ type, status }) => type === "Ready" && status === "True");
  }

  #isDone(name: string, generation: number, version?: number): boolean {
    const observed = this.#services.store.get(`${namespace}/${name}`)?.status?.observedGeneration ?? 0;
    const made = this.#children.map(({ store }) => store.get(`${namespace}/${name}-predictor`));
    if (observed < generation || made.includes(undefined)) return false;
    return version === undefined || JSON.stringify(made[0]).includes(modelUri(name, version));
  }

  #write(name: string, version: number): Promise<ServiceManifest> {
    const model = { modelFormat: { name: "onnx" }, storageUri: modelUri(name, version) };
    const manifest = { metadata: { name, namespace }, spec: { predictor: { model } } };
    return this.#client.apply(inferenceServices, manifest, asUser);
  }
}

interface Cache<T extends KubeObject> {
  readonly store: Store<T>;
  readonly reflector: Reflector<T>;
}

function cache<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType<T>,
  logger: Logger,
  labelSelector?: string,
): Cache<T> {
  const store = new Store<T>({
    indexers: {},
    onListenerError: (error) => logger.error({ err: error }, "cache listener failed"),
  });
  const selected = labelSelector === undefined ? {} : { labelSelector };
  return { store, reflector: new Reflector({ client, type, store, logger, ...selected }) };
}

function nameOf(index: number): string {
  return `model-${String(index).padStart(5, "0")}`;
}

function modelUri(name: string, version: number): string {
  return `https://models.example.com/${name}/${version}/model.onnx`;
}
