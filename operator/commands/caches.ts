// The operator's view of the cluster: one cache per kind, kept current by reflectors of all namespaces or of each listed one.

import type { Condition } from "../api/conditions.ts";
import { createFieldManager, fieldManager, inferenceServiceLabel, inferenceServiceResource } from "../api/group.ts";
import { type InferenceService, parseInferenceService, type RawInferenceService } from "../api/inference-service.ts";
import type { InferenceServiceStatus } from "../api/inference-service-status.ts";
import type { World } from "../autoscaler/world.ts";
import type { Listers } from "../inference-service/reconcile.ts";
import { type MetricSink, reflectorMetrics } from "../kube/metrics.ts";
import { Reflector } from "../kube/reflector.ts";
import { deployments, horizontalPodAutoscalers, podDisruptionBudgets, pods, services } from "../kube/resource-types.ts";
import { controllerUid, type Lister, Store } from "../kube/store.ts";
import { compact } from "../kube/transform.ts";
import type { KubeClient, KubeObject, Logger, ResourceType } from "../kube/types.ts";
import { childName } from "../resources/names.ts";
import { isSamePod, podEssence } from "./pod-essence.ts";
import { WatchScope } from "./watch-scope.ts";

const inferenceServices: ResourceType<RawInferenceService> = inferenceServiceResource;
const podsByService = "service";

/** A reflector of any kind. */
type AnyReflector = Pick<Reflector<KubeObject>, "run" | "synced">;

export interface CachesOptions {
  readonly client: KubeClient;
  readonly logger: Logger;
  readonly metrics: MetricSink;
  /** Absent: all. */
  readonly namespaces: readonly string[] | undefined;
  /** Called with the key of the service that a change concerns, once everything in its namespace is known. */
  readonly enqueue: (key: string) => void;
}

export class Caches {
  readonly listers: Listers;
  readonly reflectors: readonly AnyReflector[];
  /** One for each listed namespace, or one for all. */
  readonly scopes: readonly WatchScope[];

  constructor({ client, logger, metrics: sink, namespaces, enqueue }: CachesOptions) {
    this.scopes = (namespaces ?? [undefined]).map((namespace) => new WatchScope(namespace, enqueue, logger));
    const reflectors = new Map<WatchScope, AnyReflector[]>(this.scopes.map((scope) => [scope, []]));
    const cache = <T extends KubeObject>(type: ResourceType<T>, options: CacheOptions<T> = {}): Store<T> => {
      const { indexers = {}, transform = compact<T>({ fieldManagers: [fieldManager, createFieldManager] }) } = options;
      const store = new Store<T>({
        indexers,
        onListenerError: (error) => logger.error({ err: error, kind: type.kind }, "cache listener failed"),
      });
      const labelSelector = options.all === true ? {} : { labelSelector: inferenceServiceLabel };
      for (const [scope, ofScope] of reflectors) {
        const { namespace } = scope;
        const where = namespace === undefined ? {} : { namespace };
        const onFailure = (failure: unknown) => scope.failed(failure);
        const metrics = reflectorMetrics(sink, namespace === undefined ? type.plural : `${namespace}/${type.plural}`);
        ofScope.push(
          new Reflector({ client, type, store, logger, transform, metrics, onFailure, ...where, ...labelSelector }),
        );
      }
      store.subscribe((before, after) => {
        if (options.isSame?.(before, after) === true) return;
        for (const key of ownersOf(before, after)) this.#scopeOf(key)?.enqueue(key);
      });
      return store;
    };
    // A running pod is written again and again without any news.
    const podCache = cache(pods, {
      isSame: isSamePod,
      transform: podEssence,
      indexers: { [podsByService]: serviceKeys },
    });
    // Of these nothing is read: they are compared with what was applied, by hash and ownership.
    const unread = { fieldManagers: [fieldManager, createFieldManager], metadataOnly: true };
    this.listers = {
      inferenceServices: cache(inferenceServices, { all: true }),
      deployments: cache(deployments),
      services: cache(services, { transform: compact(unread) }),
      horizontalPodAutoscalers: cache(horizontalPodAutoscalers),
      podDisruptionBudgets: cache(podDisruptionBudgets, { transform: compact(unread) }),
      podsOf: (key) => podCache.byIndex(podsByService, key),
    };
    this.reflectors = [...reflectors.values()].flat();
    for (const [scope, ofScope] of reflectors) void scope.follow(ofScope);
  }

  /** Every namespace is known or, of several, refused for the present: there is nothing more to wait for. */
  get hasSettled(): boolean {
    return this.scopes.every((scope) => scope.hasSettled);
  }

  /** Resolves when `hasSettled` becomes true; never rejects. */
  get settled(): Promise<void> {
    return Promise.all(this.scopes.map((scope) => scope.settled)).then(() => undefined);
  }

  /** Enqueues every service that is known now; those of a namespace that has not synced follow when it has. */
  enqueueAll(): void {
    for (const raw of this.listers.inferenceServices.list()) {
      for (const key of ownersOf(undefined, raw)) this.#scopeOf(key)?.enqueue(key);
    }
  }

  /**
   * Whether the service of this key goes before others: its spec is new to the reconciler, or it is not ready. A service
   * that is gone is not: nothing is left to do.
   */
  isUrgent(key: string): boolean {
    const raw = this.listers.inferenceServices.get(key);
    if (raw === undefined) return false;
    const { observedGeneration, conditions } = (raw.status ?? {}) as Partial<InferenceServiceStatus>;
    if (observedGeneration !== raw.metadata?.generation || !Array.isArray(conditions)) return true;
    return !conditions.some((condition: Condition) => condition.type === "Ready" && condition.status === "True");
  }

  world(): World {
    const { listers } = this;
    const read = readOnce();
    const isComplete = ({ metadata }: KubeObject) => this.#scopeOf(`${metadata?.namespace}/`)?.hasSynced === true;
    return {
      *services() {
        for (const raw of listers.inferenceServices.list()) {
          const service = isComplete(raw) ? read(raw) : undefined;
          if (service !== undefined) yield service;
        }
      },
      deploymentOf: (service) => ownChild(service, listers.deployments),
      autoscalerOf: (service) => ownChild(service, listers.horizontalPodAutoscalers),
      podsOf: ({ metadata }) => listers.podsOf(`${metadata.namespace}/${metadata.name}`),
    };
  }

  /** Of a key `namespace/name`. */
  #scopeOf(key: string): WatchScope | undefined {
    const [all] = this.scopes;
    if (all?.namespace === undefined) return all;
    const namespace = key.slice(0, key.indexOf("/"));
    return this.scopes.find((scope) => scope.namespace === namespace);
  }
}

/** Objects of a cache never change, and reading one takes longer than deciding about it. */
function readOnce(): (raw: RawInferenceService) => InferenceService | undefined {
  const known = new WeakMap<RawInferenceService, InferenceService | "invalid">();
  return (raw) => {
    let service = known.get(raw);
    if (service === undefined) {
      const parsed = parseInferenceService(raw);
      service = parsed.success ? parsed.data : "invalid";
      known.set(raw, service);
    }
    // The reconciler says in the status what is wrong with it.
    return service === "invalid" ? undefined : service;
  };
}

interface CacheOptions<T extends KubeObject> {
  /** Every object of the kind, not only those labelled with a service. */
  readonly all?: boolean;
  /** A change that says nothing new concerns no reconcile. */
  readonly isSame?: (before: T | undefined, after: T | undefined) => boolean;
  readonly transform?: (object: T) => T;
  readonly indexers?: Readonly<Record<string, (object: T) => readonly string[]>>;
}

/** The services that an object concerns: itself, or those that its label named before and names now. */
function ownersOf(before: KubeObject | undefined, after: KubeObject | undefined): ReadonlySet<string> {
  const keys = [before, after].flatMap((object) => {
    if (object === undefined) return [];
    if (object.kind !== inferenceServices.kind) return serviceKeys(object);
    return [`${object.metadata?.namespace}/${object.metadata?.name}`];
  });
  return new Set(keys);
}

function serviceKeys({ metadata }: KubeObject): readonly string[] {
  const name = metadata?.labels?.[inferenceServiceLabel];
  return name === undefined ? [] : [`${metadata?.namespace}/${name}`];
}

function ownChild<T extends KubeObject>(service: InferenceService, store: Lister<T>): T | undefined {
  const { namespace, name, uid } = service.metadata;
  const child = store.get(`${namespace}/${childName(name)}`);
  return child !== undefined && controllerUid(child).includes(uid) ? child : undefined;
}
