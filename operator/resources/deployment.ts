// The Deployment that runs an InferenceService's pods.

import type { Deployment, DeploymentStrategy } from "kubernetes-types/apps/v1.js";
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
      strategy: makeStrategy(service),
      progressDeadlineSeconds: progressDeadlineSeconds(service),
      template: makePodTemplate(service, settings),
    },
  };
}

/** Unless told otherwise, the old revision serves with all its replicas until as many new pods are ready. */
function makeStrategy(service: InferenceService): DeploymentStrategy {
  const { type, rollingUpdate } = service.spec.predictor.deploymentStrategy;
  if (type === "Recreate") return { type };
  const { maxSurge = "25%", maxUnavailable = 0 } = rollingUpdate ?? {};
  return { type, rollingUpdate: { maxSurge, maxUnavailable } };
}

/**
 * Whether pods may be replaced one by one where no accelerator is free for a further one. Who says how many may be
 * unavailable has said so.
 */
export function mayReplaceInPlace({ spec }: InferenceService): boolean {
  const { type, rollingUpdate } = spec.predictor.deploymentStrategy;
  return type === "RollingUpdate" && rollingUpdate?.maxUnavailable === undefined;
}

/** For a node to be made, a pod to be placed on it and an image to be pulled. */
const schedulingSeconds = 600;

/** Later than the start-up probe gives up, so that a model which still loads does not count as failed. */
function progressDeadlineSeconds(service: InferenceService): number {
  const { model, progressDeadlineSeconds: given } = service.spec.predictor;
  const { periodSeconds, failureThreshold } = model.startupProbe;
  return given ?? periodSeconds * failureThreshold + schedulingSeconds;
}

/** Replicas of a Deployment that does not exist yet: what the load last asked for, so that one deleted by hand comes back at its size. */
export function initialReplicas(service: InferenceService): number {
  const { autoScaling, maxReplicas, minReplicas, replicas } = service.spec.predictor;
  if (autoScaling.mode === "External") return replicas ?? minReplicas;
  const last = service.status?.autoScaling?.desiredReplicas ?? minReplicas;
  return Math.min(Math.max(last, minReplicas), maxReplicas);
}
