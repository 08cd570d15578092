// Makes cached objects smaller: most of an object's bytes are bookkeeping that nobody here reads.

import { digestManagedFields } from "./managed-fields.ts";
import type { KubeObject } from "./types.ts";

// kubectl's copy of the whole object, up to 256 KiB.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

export interface CompactOptions {
  /**
   * Field managers whose ownership is compared later by `applyOwned`: of each, a digest is kept. Absent: none.
   */
  readonly fieldManagers?: readonly string[];
  /** Only metadata is kept: all that `applyOwned` needs of an object that nobody else reads. */
  readonly metadataOnly?: boolean;
}

/** A transform for reflectors: drops managedFields, but for digests of the named managers', and kubectl's annotation. */
export function compact<T extends KubeObject>({
  fieldManagers = [],
  metadataOnly = false,
}: CompactOptions = {}): (object: T) => T {
  return (object) => {
    const { managedFields, annotations, ...metadata } = object.metadata ?? {};
    const { [lastApplied]: _, ...kept } = annotations ?? {};
    const digests = digestManagedFields(managedFields ?? [], fieldManagers);
    const { apiVersion, kind } = object;
    const content = metadataOnly ? ({ apiVersion, kind } as T) : object;
    return {
      ...content,
      metadata: {
        ...metadata,
        ...(annotations === undefined ? {} : { annotations: kept }),
        ...(digests.length === 0 ? {} : { managedFields: digests }),
      },
    };
  };
}
