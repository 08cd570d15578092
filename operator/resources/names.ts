// Names and labels of everything that is made for an InferenceService.

import { apiVersion, inferenceServiceLabel, kind } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";

/** The Deployment, Service, HorizontalPodAutoscaler and PodDisruptionBudget of service `name` share this name. */
export function childName(name: string): string {
  return `${name}-predictor`;
}

/** What clients call the model in request paths. */
export function modelName(service: InferenceService): string {
  return service.spec.predictor.model.name ?? service.metadata.name;
}

/** Where the model answers inside the cluster. Clients append the protocol's path, e.g. /v2/models/MODEL/infer. */
export function serviceUrl(service: InferenceService): string {
  const { name, namespace } = service.metadata;
  return `http://${childName(name)}.${namespace}.svc`;
}

/** What selects a service's pods. A Deployment's selector cannot change later, so it holds nothing that might. */
export function podSelector(serviceName: string): Record<string, string> {
  return { [inferenceServiceLabel]: serviceName };
}

/** The selector in the form that `/scale` and `kubectl -l` read. */
export function selectorText(serviceName: string): string {
  return `${inferenceServiceLabel}=${serviceName}`;
}

/** Labels of every child and pod. */
export function commonLabels(serviceName: string): Record<string, string> {
  return {
    "app.kubernetes.io/name": "plimsoll-server",
    "app.kubernetes.io/instance": serviceName,
    "app.kubernetes.io/managed-by": "plimsoll",
    ...podSelector(serviceName),
  };
}

/** Metadata of a child: owned by the service, by UID, so that it goes when the service goes. */
export function childMetadata(service: InferenceService) {
  const { name, namespace, uid } = service.metadata;
  return {
    name: childName(name),
    namespace,
    labels: commonLabels(name),
    ownerReferences: [{ apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }],
  };
}
