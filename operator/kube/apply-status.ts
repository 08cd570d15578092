// Writes the fields of a status that belong to one field manager, and nothing when they are there already.

import type { ApplyResult } from "./apply.ts";
import { covers } from "./covers.ts";
import { fieldSetDigest, fieldSetOf } from "./field-set.ts";
import { ownershipDigest } from "./managed-fields.ts";
import type { KubeClient, KubeObject, ResourceType } from "./types.ts";

export interface ApplyStatusOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly type: ResourceType<T>;
  /** `metadata.name`, `metadata.namespace` and the fields of `status` that `fieldManager` wants to own; no spec. */
  readonly desired: T;
  /** What the cache has; may hold digests of managedFields (`compact`). */
  readonly live: T;
  readonly fieldManager: string;
  readonly signal?: AbortSignal;
}

/**
 * Applies `desired` to the status subresource unless the live status has the same values and `fieldManager` owns
 * exactly these fields. A field left out of `desired` is removed, if nobody else owns it. The API server does not
 * compare UIDs here: computed from an outdated cache, the status may reach a new object of the same name, whose own
 * reconcile then corrects it.
 */
export async function applyStatus<T extends KubeObject>(options: ApplyStatusOptions<T>): Promise<ApplyResult<T>> {
  const { client, type, live, fieldManager, signal } = options;
  const { apiVersion: _, kind: __, metadata, ...content } = JSON.parse(JSON.stringify(options.desired)) as T;
  const { name, namespace } = metadata ?? {};
  const owner = { manager: fieldManager, operation: "Apply", subresource: "status" } as const;
  const sameFields = ownershipDigest(live, owner) === fieldSetDigest(fieldSetOf(content, type.structure));
  if (sameFields && covers(live, content, type.structure)) return { outcome: "unchanged", object: live };
  const object = await client.apply(type, { ...content, metadata: { name, namespace } } as T, {
    subresource: "status",
    fieldManager,
    ...(signal === undefined ? {} : { signal }),
  });
  return { outcome: "configured", object };
}
