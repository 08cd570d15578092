// Reading and setting replicas through the scale subresource, which every scalable kind has in the same form.

import { refOf } from "./paths.ts";
import type { KubeClient, KubeObject, ObjectRef, ResourceType } from "./types.ts";

/** `autoscaling/v1` Scale. */
export interface Scale extends KubeObject {
  readonly spec?: { readonly replicas?: number };
  /** `replicas` counts the pods there are; `selector` is their label selector as text. */
  readonly status?: { readonly replicas: number; readonly selector?: string };
}

export async function getScale<T extends KubeObject>(
  client: Pick<KubeClient, "get">,
  type: ResourceType<T>,
  ref: ObjectRef,
  signal?: AbortSignal,
): Promise<Scale | undefined> {
  const options = { subresource: "scale" as const, ...(signal === undefined ? {} : { signal }) };
  return client.get<KubeObject>(type, ref, options);
}

export interface SetScaleOptions {
  readonly fieldManager: string;
  readonly signal?: AbortSignal;
}

/**
 * Sets the replicas of the object that `scale` was read from, or of that object itself. Fails with a conflict when the object has changed since,
 * so that a decision is never applied to a state it was not made for.
 */
export async function setScale<T extends KubeObject>(
  client: Pick<KubeClient, "patch">,
  type: ResourceType<T>,
  { scale, replicas }: { scale: Pick<KubeObject, "metadata">; replicas: number },
  options: SetScaleOptions,
): Promise<Scale> {
  const patch = { metadata: { resourceVersion: scale.metadata?.resourceVersion }, spec: { replicas } };
  return client.patch<KubeObject>(type, refOf(scale), patch, {
    ...options,
    subresource: "scale",
  });
}
