// The figures of the plot; those of the service come from its manifest, so that they are written down once.

import { parse } from "yaml";
import type { Plot } from "./story.ts";

/** Requests per second of the usual load; the risen one is ten times that. */
const usualPerSecond = 1.5;
const factor = 10;

interface Manifest {
  readonly spec: {
    readonly predictor: {
      readonly minReplicas: number;
      readonly autoScaling: { readonly metrics: readonly { readonly type: string; readonly target: number }[] };
    };
  };
}

/** @throws Error when the manifest has no target for RequestRate. */
export function plotOf(manifest: string): Plot {
  const { minReplicas, autoScaling } = (parse(manifest) as Manifest).spec.predictor;
  const target = autoScaling.metrics.find(({ type }) => type === "RequestRate")?.target;
  if (target === undefined) {
    throw new Error("the demo's InferenceService needs a metric RequestRate with a target");
  }
  return {
    usualPerSecond,
    risenPerSecond: usualPerSecond * factor,
    usualSeconds: 15,
    risenSeconds: 60,
    fallLimitSeconds: 100,
    minReplicas,
    neededReplicas: Math.ceil((usualPerSecond * factor) / target),
  };
}
