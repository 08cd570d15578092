// What an accelerator means for the pod: a limit, where it may run, and which taints it bears.

import type { Toleration } from "kubernetes-types/core/v1.js";
import type { InferenceService } from "../api/inference-service.ts";

type Accelerator = NonNullable<InferenceService["spec"]["predictor"]["accelerator"]>;

export interface AcceleratorPlacement {
  readonly limits: Readonly<Record<string, number>>;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Toleration[];
}

const gpu = "nvidia.com/gpu";

/** Without an accelerator everything is empty. */
export function placeAccelerator(accelerator: Accelerator | undefined): AcceleratorPlacement {
  if (accelerator === undefined) return { limits: {}, nodeSelector: {}, tolerations: [] };
  const { count, migProfile, nodeSelector = {}, product } = accelerator;
  const resourceName = accelerator.resourceName ?? (migProfile === undefined ? gpu : `nvidia.com/mig-${migProfile}`);
  return {
    limits: { [resourceName]: count },
    nodeSelector: { ...(product === undefined ? {} : { [`${gpu}.product`]: product }), ...nodeSelector },
    // Nodes with MIG devices have the taint of whole GPUs.
    tolerations: [{ key: migProfile === undefined ? resourceName : gpu, operator: "Exists", effect: "NoSchedule" }],
  };
}
