// What a compacted object keeps, and that ownership can still be compared with it.

import { expect, test } from "vitest";
import { fieldSetDigest } from "./field-set.ts";
import { entryOf, fieldsOf, ownershipDigest } from "./managed-fields.ts";
import { thing } from "./testing.ts";
import { compact } from "./transform.ts";

const fieldsV1 = { "f:spec": { "f:size": {} } };
const statusFieldsV1 = { "f:status": { "f:phase": {} } };
const entry = { apiVersion: "example.com/v1", fieldsType: "FieldsV1", fieldsV1, time: "2026-01-01T00:00:00Z" };
const big = {
  ...thing("a", "1"),
  spec: { size: 3 },
  metadata: {
    ...thing("a", "1").metadata,
    annotations: { "kubectl.kubernetes.io/last-applied-configuration": "x".repeat(1000), keep: "me" },
    managedFields: [
      { ...entry, manager: "ours", operation: "Apply", subresource: "status", fieldsV1: statusFieldsV1 },
      { ...entry, manager: "ours", operation: "Apply" },
      { ...entry, manager: "kubelet", operation: "Update" },
    ],
  },
};
const owner = { manager: "ours", operation: "Apply" } as const;

test("without a word about managers, bookkeeping is dropped and the rest stays", () => {
  expect(compact()(big)).toEqual({
    ...thing("a", "1"),
    spec: { size: 3 },
    metadata: { ...thing("a", "1").metadata, annotations: { keep: "me" } },
  });
});

test("of named managers a digest stays that compares like the fields themselves", () => {
  const small = compact({ fieldManagers: ["ours"] })(big);
  expect(small.metadata?.managedFields).toHaveLength(2);
  expect(ownershipDigest(small, owner)).toBe(ownershipDigest(big, owner));
  expect(ownershipDigest(small, owner)).toBe(fieldSetDigest(fieldsV1));
  expect(ownershipDigest(small, { ...owner, subresource: "status" })).toBe(fieldSetDigest(statusFieldsV1));
  expect(ownershipDigest(small, { manager: "kubelet", operation: "Update" })).toBeUndefined();
});

test("compacting twice is compacting once, and the original stays as it was", () => {
  const before = JSON.stringify(big);
  const once = compact({ fieldManagers: ["ours"] })(big);
  expect(compact({ fieldManagers: ["ours"] })(once)).toEqual(once);
  expect(JSON.stringify(big)).toBe(before);
});

test("a digest is never taken for the fields", () => {
  const small = compact({ fieldManagers: ["ours"] })(big);
  expect(() => fieldsOf(entryOf(small, owner))).toThrow("a cached object does not tell which fields are owned");
});

test("with metadata only, the object can still be named and its ownership compared", () => {
  const small = compact({ fieldManagers: ["ours"], metadataOnly: true })(big);
  expect(Object.keys(small).toSorted()).toEqual(["apiVersion", "kind", "metadata"]);
  expect(small).toEqual({ ...compact({ fieldManagers: ["ours"] })(big), spec: undefined });
});
