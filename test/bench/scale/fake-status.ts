// Stands in for whoever says that pods are ready: for Kubernetes' Deployment controller, or for its ReplicaSet controller alone.

import type { Deployment, ReplicaSet } from "kubernetes-types/apps/v1.js";
import { inferenceServiceLabel } from "../../../operator/api/group.ts";
import { Controller } from "../../../operator/kube/controller.ts";
import type { MetricSink } from "../../../operator/kube/metrics.ts";
import { keyOf, refOf } from "../../../operator/kube/paths.ts";
import { Reflector } from "../../../operator/kube/reflector.ts";
import { deployments, replicaSets } from "../../../operator/kube/resource-types.ts";
import { Store } from "../../../operator/kube/store.ts";
import type { KubeClient, Logger, ResourceType } from "../../../operator/kube/types.ts";

type Scaled = Deployment | ReplicaSet;

const noMetrics: MetricSink = {
  count: () => undefined,
  set: () => undefined,
  track: () => undefined,
  observe: () => undefined,
};

/** What is faked: all that a Deployment says, or only the pods of its ReplicaSets. */
const kinds = {
  faked: { type: deployments as ResourceType<Scaled>, updated: "updatedReplicas" },
  real: { type: replicaSets as ResourceType<Scaled>, updated: "fullyLabeledReplicas" },
} as const;

/** Which Deployment controller runs. */
export type ControllerKind = keyof typeof kinds;

/** Keeps the status of all InferenceServices' objects of the faked kind equal to their spec until the signal aborts. */
export async function fakeStatus(
  client: KubeClient,
  controllerKind: ControllerKind,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { type, updated } = kinds[controllerKind];
  const store = new Store<Scaled>({
    indexers: {},
    onListenerError: (error) => logger.error({ err: error }, "cache listener failed"),
  });
  const reflector = new Reflector({ client, type, store, logger, labelSelector: inferenceServiceLabel });
  const report = async (object: Scaled, reconcileSignal: AbortSignal) => {
    const replicas = object.spec?.replicas ?? 1;
    const counts = { replicas, readyReplicas: replicas, [updated]: replicas, availableReplicas: replicas };
    const patch = { status: { observedGeneration: object.metadata?.generation ?? 0, ...counts } };
    const write = { subresource: "status", fieldManager: "bench-fake-controller", signal: reconcileSignal } as const;
    await client.patch(type, refOf(object), patch, write);
  };
  const controller = new Controller({
    name: "fake-status",
    reconcile: async (key, reconcileSignal) => {
      const object = store.get(key);
      if (object !== undefined && !isCurrent(object)) await report(object, reconcileSignal);
    },
    sources: [reflector],
    logger,
    metrics: noMetrics,
  });
  store.subscribe((_before, after) => {
    if (after !== undefined) controller.enqueue(keyOf(refOf(after)));
  });
  await Promise.all([reflector.run(signal), controller.run(signal)]);
}

/** A count of 0 is left out by the API server. */
function isCurrent({ metadata, spec, status }: Scaled): boolean {
  return status?.observedGeneration === metadata?.generation && (status?.readyReplicas ?? 0) === (spec?.replicas ?? 1);
}
