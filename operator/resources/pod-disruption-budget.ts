// The PodDisruptionBudget that lets nodes drain one replica at a time.

import type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js";
import type { InferenceService } from "../api/inference-service.ts";
import { childMetadata, podSelector } from "./names.ts";

/** maxUnavailable rather than minAvailable: at the minimum of replicas the latter would block every drain for ever. */
export function makePodDisruptionBudget(service: InferenceService): PodDisruptionBudget {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: childMetadata(service),
    spec: {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: { matchLabels: podSelector(service.metadata.name) },
    },
  };
}
