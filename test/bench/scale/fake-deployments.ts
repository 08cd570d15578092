// Stands in for Kubernetes' Deployment controller: says of every Deployment at once that its pods are ready.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { inferenceServiceLabel } from "../../../operator/api/group.ts";
import { isConflict } from "../../../operator/kube/errors.ts";
import { Reflector } from "../../../operator/kube/reflector.ts";
import { deployments } from "../../../operator/kube/resource-types.ts";
import { Store } from "../../../operator/kube/store.ts";
import type { KubeClient, Logger } from "../../../operator/kube/types.ts";

/** Writes at a time. */
const writers = 8;

/** Keeps the status of all Deployments of InferenceServices equal to their spec until the signal aborts. */
export async function fakeDeploymentStatus(client: KubeClient, logger: Logger, signal: AbortSignal): Promise<void> {
  const behind = new Map<string, Deployment>();
  let wake = Promise.withResolvers<void>();
  const store = new Store<Deployment>({
    indexers: {},
    onListenerError: (error) => logger.error({ err: error }, "fake"),
  });
  store.subscribe((_before, after) => {
    if (after === undefined || isCurrent(after)) return;
    behind.set(`${after.metadata?.namespace}/${after.metadata?.name}`, after);
    wake.resolve();
  });
  signal.addEventListener("abort", () => wake.resolve(), { once: true });
  const work = async () => {
    while (!signal.aborted) {
      const [next] = behind;
      if (next === undefined) {
        await wake.promise;
        wake = Promise.withResolvers<void>();
        continue;
      }
      behind.delete(next[0]);
      await report(client, next[1], signal).catch((error: unknown) => {
        if (!signal.aborted && !isConflict(error)) logger.warn({ err: error }, "a Deployment's status was not written");
      });
    }
  };
  const reflector = new Reflector({ client, type: deployments, store, logger, labelSelector: inferenceServiceLabel });
  await Promise.all([reflector.run(signal), ...Array.from({ length: writers }, work)]);
}

function isCurrent({ metadata, spec, status }: Deployment): boolean {
  return status?.observedGeneration === metadata?.generation && status?.readyReplicas === spec?.replicas;
}

async function report(client: KubeClient, { metadata, spec }: Deployment, signal: AbortSignal): Promise<void> {
  const { name = "", namespace = "", generation = 0 } = metadata ?? {};
  const replicas = spec?.replicas ?? 1;
  const counts = { replicas, readyReplicas: replicas, updatedReplicas: replicas, availableReplicas: replicas };
  const patch = { status: { observedGeneration: generation, ...counts } };
  await client.patch(deployments, { namespace, name }, patch, {
    subresource: "status",
    fieldManager: "fake-deployment-controller",
    signal,
  });
}
