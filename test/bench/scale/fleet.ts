// The InferenceServices of the benchmark, and from when on each of them is as it was asked for.

import { setTimeout as sleep } from "node:timers/promises";
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

const children: readonly ResourceType<KubeObject>[] = [
  deployments,
  services,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
];
const asUser = { fieldManager: "bench-scale" } as const;
/** Requests of people at a time. */
const writers = 16;

export class Fleet {
  readonly #client: KubeClient;
  readonly #services: Store<ServiceManifest>;
  readonly #children: readonly Store<KubeObject>[];
  readonly #reflectors: readonly Pick<Reflector<KubeObject>, "run" | "synced">[];

  constructor(client: KubeClient, logger: Logger) {
    const makeStore = <T extends KubeObject>() =>
      new Store<T>({ indexers: {}, onListenerError: (error) => logger.error({ err: error }, "cache") });
    this.#client = client;
    this.#services = makeStore<ServiceManifest>();
    this.#children = children.map(() => makeStore<KubeObject>());
    this.#reflectors = [
      new Reflector({ client, type: inferenceServices, store: this.#services, logger }),
      ...children.map(
        (type, index) =>
          new Reflector({
            client,
            type,
            store: this.#children[index] ?? makeStore<KubeObject>(),
            logger,
            labelSelector: inferenceServiceLabel,
          }),
      ),
    ];
  }

  async watch(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)));
  }

  async synced(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.synced));
  }

  /** Applies that many services. */
  async apply(count: number): Promise<void> {
    await this.#each(count, (name) => this.#write(name, 1));
  }

  /** Deletes all of them. */
  async delete(count: number): Promise<void> {
    await this.#each(count, (name) => this.#client.delete(inferenceServices, { namespace, name }));
  }

  /** Edits one service; resolves with the seconds until its status describes the edit and its Deployment has it. */
  async edit(index: number, version: number, timeoutSeconds: number): Promise<number> {
    const name = nameOf(index);
    const startedAt = performance.now();
    const { metadata } = await this.#write(name, version);
    await this.#until(
      () => this.#isDone(name, metadata?.generation ?? 0, version),
      timeoutSeconds,
      `the edit of ${name}`,
    );
    return (performance.now() - startedAt) / 1000;
  }

  /** Resolves when every service has all its children and a status that describes its newest spec. */
  async settled(count: number, timeoutSeconds: number): Promise<void> {
    await this.#until(() => this.done(count) === count, timeoutSeconds, `all ${count} services`);
  }

  /** Resolves when neither services nor children are left. */
  async gone(timeoutSeconds: number): Promise<void> {
    await this.#until(() => this.left() === 0, timeoutSeconds, "the end of all services and their children");
  }

  /** Services that are as they were asked for. */
  done(count: number): number {
    return Array.from({ length: count }, (_, index) => nameOf(index)).filter((name) => {
      const generation = this.#services.get(`${namespace}/${name}`)?.metadata?.generation;
      return generation !== undefined && this.#isDone(name, generation);
    }).length;
  }

  /** Services and children that exist. */
  left(): number {
    return [this.#services, ...this.#children].reduce((sum, store) => sum + store.list().length, 0);
  }

  #isDone(name: string, generation: number, version?: number): boolean {
    const observed = this.#services.get(`${namespace}/${name}`)?.status?.observedGeneration ?? 0;
    const made = this.#children.map((store) => store.get(`${namespace}/${name}-predictor`));
    if (observed < generation || made.includes(undefined)) return false;
    return version === undefined || JSON.stringify(made[0]).includes(modelUri(name, version));
  }

  #write(name: string, version: number): Promise<ServiceManifest> {
    const model = { modelFormat: { name: "onnx" }, storageUri: modelUri(name, version) };
    const manifest = { metadata: { name, namespace }, spec: { predictor: { model } } };
    return this.#client.apply(inferenceServices, manifest, asUser);
  }

  async #each(count: number, act: (name: string) => Promise<unknown>): Promise<void> {
    let next = 0;
    const work = async () => {
      while (next < count) {
        next += 1;
        await act(nameOf(next - 1));
      }
    };
    await Promise.all(Array.from({ length: writers }, work));
  }

  async #until(check: () => boolean, timeoutSeconds: number, what: string): Promise<void> {
    const deadline = performance.now() + timeoutSeconds * 1000;
    while (!check()) {
      if (performance.now() > deadline) throw new Error(`waited ${timeoutSeconds} s in vain for ${what}`);
      await sleep(20);
    }
  }
}

function nameOf(index: number): string {
  return `model-${String(index).padStart(5, "0")}`;
}

function modelUri(name: string, version: number): string {
  return `https://models.example.com/${name}/${version}/model.onnx`;
}
