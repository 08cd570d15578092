// Carries a decision out: raises the HPA's floor, then the Deployment's replicas.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import { apiVersion, autoscalerFieldManager, inferenceServiceResource, kind } from "../api/group.ts";
import type { InferenceService, RawInferenceService } from "../api/inference-service.ts";
import { isConflict, isNotFound } from "../kube/errors.ts";
import { deployments, horizontalPodAutoscalers } from "../kube/resource-types.ts";
import { setScale } from "../kube/scale.ts";
import type { KubeClient, ObjectRef, ResourceType } from "../kube/types.ts";
import type { ReplicaBounds } from "../resources/horizontal-pod-autoscaler.ts";
import type { AutoscalingStatus } from "./status.ts";

/** The three writes of the autoscaler. Each returns false when somebody else was faster: the next tick looks again. */
export interface Actuator {
  setBounds(hpa: HorizontalPodAutoscaler, bounds: ReplicaBounds, signal: AbortSignal): Promise<boolean>;
  setReplicas(deployment: Deployment, replicas: number, signal: AbortSignal): Promise<boolean>;
  setStatus(service: InferenceService, status: AutoscalingStatus, signal: AbortSignal): Promise<boolean>;
}

const inferenceServices: ResourceType<RawInferenceService> = inferenceServiceResource;

export function createActuator(client: KubeClient): Actuator {
  return {
    setBounds: (hpa, bounds, signal) =>
      unlessOvertaken(() =>
        client.patch(horizontalPodAutoscalers, refOf(hpa), conditional(hpa, { spec: bounds }), write(signal)),
      ),
    setReplicas: (deployment, replicas, signal) =>
      unlessOvertaken(() => setScale(client, deployments, { scale: deployment, replicas }, write(signal))),
    setStatus: (service, status, signal) =>
      unlessOvertaken(() => {
        const { name, namespace, uid } = service.metadata;
        // The uid makes the write fail when the service was deleted and made anew meanwhile.
        const applied = { apiVersion, kind, metadata: { name, namespace, uid }, status };
        return client.apply(inferenceServices, applied, { ...write(signal), subresource: "status" });
      }),
  };
}

function write(signal: AbortSignal) {
  return { fieldManager: autoscalerFieldManager, signal };
}

/** The patch holds only for the version that the decision was made from. */
function conditional(object: HorizontalPodAutoscaler, patch: object): object {
  return { metadata: { resourceVersion: object.metadata?.resourceVersion }, ...patch };
}

function refOf({ metadata }: HorizontalPodAutoscaler): ObjectRef {
  const { name = "", namespace } = metadata ?? {};
  return namespace === undefined ? { name } : { name, namespace };
}

async function unlessOvertaken(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return false;
    throw error;
  }
}
