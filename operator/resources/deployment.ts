// The Deployment that runs an InferenceService's pods.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { InferenceService } from "../api/inference-service.ts";
import { childMetadata, podSelector } from "./names.ts";
import { makePodTemplate, type PodSettings } from "./pod-template.ts";

/**
 * The Deployment without `replicas`: that field is written once, when the Deployment is created, and belongs to
 * the autoscaler afterwards. Leaving a once-applied field out of a later apply would reset it to 1.
 */
export function makeDeployment(service: InferenceService, settings: PodSettings): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: childMetadata(service),
    spec: {
      selector: { matchLabels: podSelector(service.metadata.name) },
      // The old revision serves with all its replicas until as many new pods are ready.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: "25%" } },
      progressDeadlineSeconds: 600,
      template: makePodTemplate(service, settings),
    },
  };
}

/** Replicas of a Deployment that does not exist yet: what the load last asked for, so that one deleted by hand comes back at its size. */
export function initialReplicas(service: InferenceService): number {
  const { autoScaling, maxReplicas, minReplicas, replicas } = service.spec.predictor;
  if (autoScaling.mode === "External") return replicas ?? minReplicas;
  const last = service.status?.autoScaling?.desiredReplicas ?? minReplicas;
  return Math.min(Math.max(last, minReplicas), maxReplicas);
}
