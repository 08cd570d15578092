// Who owns what of a live object, from its managedFields, or from the digests that a cached object keeps of them.

import type { ManagedFieldsEntry } from "kubernetes-types/meta/v1.js";
import { type FieldTree, fieldSetDigest } from "./field-set.ts";
import type { KubeObject } from "./types.ts";

/** Names one entry of managedFields. */
export interface Owner {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  /** Absent: the object itself. */
  readonly subresource?: string;
}

// Ours, not the API server's: entries of this type live only in the cache.
const digestType = "Digest";

/** The entries of the named managers, each with a digest in the place of its fields. */
export function digestManagedFields(
  entries: readonly ManagedFieldsEntry[],
  managers: readonly string[],
): ManagedFieldsEntry[] {
  return entries
    .filter(({ manager }) => manager !== undefined && managers.includes(manager))
    .map(({ manager, operation, subresource, fieldsV1, fieldsType }) => ({
      ...(manager === undefined ? {} : { manager }),
      ...(operation === undefined ? {} : { operation }),
      ...(subresource === undefined ? {} : { subresource }),
      fieldsType: digestType,
      fieldsV1: fieldsType === digestType ? (fieldsV1 ?? {}) : { digest: fieldSetDigest(treeOf(fieldsV1)) },
    }));
}

export function entryOf(
  object: KubeObject,
  { manager, operation, subresource = "" }: Owner,
): ManagedFieldsEntry | undefined {
  return object.metadata?.managedFields?.find(
    (entry) => entry.manager === manager && entry.operation === operation && (entry.subresource ?? "") === subresource,
  );
}

/** Digest of the fields that the owner holds, or undefined when it holds none. Works on live and on cached objects. */
export function ownershipDigest(object: KubeObject, owner: Owner): string | undefined {
  const entry = entryOf(object, owner);
  if (entry === undefined) return undefined;
  if (entry.fieldsType !== digestType) return fieldSetDigest(treeOf(entry.fieldsV1));
  return (entry.fieldsV1 as { digest: string }).digest;
}

/** The fields of an entry as the API server sends it. Throws `TypeError` for one from the cache, which has only a digest. */
export function fieldsOf(entry: ManagedFieldsEntry | undefined): FieldTree {
  if (entry?.fieldsType === digestType) throw new TypeError("a cached object does not tell which fields are owned");
  return treeOf(entry?.fieldsV1);
}

function treeOf(fieldsV1: ManagedFieldsEntry["fieldsV1"]): FieldTree {
  return (fieldsV1 ?? {}) as FieldTree;
}
