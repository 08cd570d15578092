// The operator's view of the cluster: one cache per kind, kept current by reflectors.

import { createFieldManager, fieldManager, inferenceServiceLabel, inferenceServiceResource } from "../api/group.ts";
import { type InferenceService, parseInferenceService, type RawInferenceService } from "../api/inference-service.ts";
import type { World } from "../autoscaler/world.ts";
import type { Listers } from "../inference-service/reconcile.ts";
import { Reflector } from "../kube/reflector.ts";
import { deployments, horizontalPodAutoscalers, podDisruptionBudgets, pods, services } from "../kube/resource-types.ts";
import { controllerUid, type Lister, Store } from "../kube/store.ts";
import { compact } from "../kube/transform.ts";
import type { KubeClient, KubeObject, Logger, ResourceType } from "../kube/types.ts";
import { childName } from "../resources/names.ts";
import { isSamePod, podEssence } from "./pod-essence.ts";

const inferenceServices: ResourceType<RawInferenceService> = inferenceServiceResource;
const podsByService = "service";

/** A reflector of any kind. */
type AnyReflector = Pick<Reflector<KubeObject>, "run" | "synced" | "hasSynced">;

export class Caches {
  readonly listers: Listers;
  readonly reflectors: readonly AnyReflector[];

  /** `enqueue` is called with the key of the service that a change concerns. */
  constructor(client: KubeClient, logger: Logger, enqueue: (key: string) => void) {
    const reflectors: AnyReflector[] = [];
    const cache = <T extends KubeObject>(type: ResourceType<T>, options: CacheOptions<T> = {}): Store<T> => {
      const { indexers = {}, transform = compact<T>({ fieldManagers: [fieldManager, createFieldManager] }) } = options;
      const store = new Store<T>({
        indexers,
        onListenerError: (error) => logger.error({ err: error, kind: type.kind }, "cache listener failed"),
      });
      const labelSelector = options.all === true ? {} : { labelSelector: inferenceServiceLabel };
      reflectors.push(new Reflector({ client, type, store, logger, transform, ...labelSelector }));
      store.subscribe((before, after) => {
        if (options.isSame?.(before, after) !== true) enqueueOwners(before, after, enqueue);
      });
      return store;
    };
    // A running pod is written again and again without any news.
    const podCache = cache(pods, {
      isSame: isSamePod,
      transform: podEssence,
      indexers: { [podsByService]: serviceKeys },
    });
    this.listers = {
      inferenceServices: cache(inferenceServices, { all: true }),
      deployments: cache(deployments),
      services: cache(services),
      horizontalPodAutoscalers: cache(horizontalPodAutoscalers),
      podDisruptionBudgets: cache(podDisruptionBudgets),
      podsOf: (key) => podCache.byIndex(podsByService, key),
    };
    this.reflectors = reflectors;
  }

  get hasSynced(): boolean {
    return this.reflectors.every((reflector) => reflector.hasSynced);
  }

  world(): World {
    const { listers } = this;
    return {
      services: () =>
        listers.inferenceServices.list().flatMap((raw) => {
          const parsed = parseInferenceService(raw);
          // The reconciler says in the status what is wrong with the others.
          return parsed.success ? [parsed.data] : [];
        }),
      deploymentOf: (service) => ownChild(service, listers.deployments),
      autoscalerOf: (service) => ownChild(service, listers.horizontalPodAutoscalers),
      podsOf: ({ metadata }) => listers.podsOf(`${metadata.namespace}/${metadata.name}`),
    };
  }
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
function enqueueOwners(before: KubeObject | undefined, after: KubeObject | undefined, enqueue: (key: string) => void) {
  const keys = [before, after].flatMap((object) => {
    if (object === undefined) return [];
    if (object.kind !== inferenceServices.kind) return serviceKeys(object);
    return [`${object.metadata?.namespace}/${object.metadata?.name}`];
  });
  for (const key of new Set(keys)) enqueue(key);
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
