// What the autoscaler reads about the cluster: caches only, never a request.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import type { InferenceService } from "../api/inference-service.ts";

export interface World {
  /** Every service that could be read, whatever its mode. */
  services(): Iterable<InferenceService>;
  /** The service's own Deployment; undefined while there is none, or one that belongs to somebody else. */
  deploymentOf(service: InferenceService): Deployment | undefined;
  /** The service's own HorizontalPodAutoscaler, likewise. */
  autoscalerOf(service: InferenceService): HorizontalPodAutoscaler | undefined;
  podsOf(service: InferenceService): readonly Pod[];
}
