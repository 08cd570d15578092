// Stands in for Kubernetes' Deployment controller: says of every Deployment at once that its pods are ready.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { inferenceServiceLabel } from "../../../operator/api/group.ts";
import { Controller } from "../../../operator/kube/controller.ts";
import type { MetricSink } from "../../../operator/kube/metrics.ts";
import { keyOf, refOf } from "../../../operator/kube/paths.ts";
import { Reflector } from "../../../operator/kube/reflector.ts";
import { deployments } from "../../../operator/kube/resource-types.ts";
import { Store } from "../../../operator/kube/store.ts";
import type { KubeClient, Logger } from "../../../operator/kube/types.ts";

const noMetrics: MetricSink = { count: () => undefined, set: () => undefined, observe: () => undefined };

/** Keeps the status of all Deployments of InferenceServices equal to their spec until the signal aborts. */
export async function fakeDeploymentStatus(client: KubeClient, logger: Logger, signal: AbortSignal): Promise<void> {
  const store = new Store<Deployment>({
    indexers: {},
    onListenerError: (error) => logger.error({ err: error }, "cache listener failed"),
  });
  const reflector = new Reflector({ client, type: deployments, store, logger, labelSelector: inferenceServiceLabel });
  const controller = new Controller({
    name: "fake-deployment",
    reconcile: async (key, reconcileSignal) => {
      const deployment = store.get(key);
      if (deployment !== undefined && !isCurrent(deployment)) await report(client, deployment, reconcileSignal);
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

function isCurrent({ metadata, spec, status }: Deployment): boolean {
  return status?.observedGeneration === metadata?.generation && status?.readyReplicas === spec?.replicas;
}

async function report(client: KubeClient, deployment: Deployment, signal: AbortSignal): Promise<void> {
  const replicas = deployment.spec?.replicas ?? 1;
  const counts = { replicas, readyReplicas: replicas, updatedReplicas: replicas, availableReplicas: replicas };
  const patch = { status: { observedGeneration: deployment.metadata?.generation ?? 0, ...counts } };
  const write = { subresource: "status", fieldManager: "fake-deployment-controller", signal } as const;
  await client.patch(deployments, refOf(deployment), patch, write);
}
