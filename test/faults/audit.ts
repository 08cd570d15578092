// Counts from the API server's own audit log: who made and deleted what, how often.

import type { AuditEntry } from "../cluster/audit-log.ts";

/** `create deployments/a` to how often that has happened. */
export type Counts = Readonly<Record<string, number>>;

/** Events tell of what happened; a lease says who leads; the others Kubernetes puts into every namespace by itself. */
const notCounted: ReadonlySet<string> = new Set(["events", "leases", "configmaps/kube-root-ca.crt", "serviceaccounts"]);

/** Creates and deletes that took place in a namespace, per object. */
export function createsAndDeletes(entries: readonly AuditEntry[], namespace: string): Counts {
  const counts: Record<string, number> = {};
  for (const { verb, objectRef, responseStatus } of entries) {
    const code = responseStatus?.code ?? 0;
    if (objectRef?.namespace !== namespace || objectRef.subresource !== undefined || code > 299) continue;
    const object = `${objectRef.resource}/${objectRef.name ?? "?"}`;
    const isCounted = !notCounted.has(objectRef.resource) && !notCounted.has(object);
    if (isCounted && (verb === "create" || verb === "delete")) {
      counts[`${verb} ${object}`] = (counts[`${verb} ${object}`] ?? 0) + 1;
    }
  }
  return Object.fromEntries(Object.entries(counts).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Writes of the operator about services: not who leads, nor questions that are asked by a create request. */
export function operatorWrites(entries: readonly AuditEntry[]): readonly string[] {
  const questions = ["leases", "subjectaccessreviews", "tokenreviews"];
  return entries
    .filter(({ userAgent = "" }) => userAgent.startsWith("plimsoll-operator"))
    .filter(({ objectRef }) => !questions.includes(objectRef?.resource ?? ""))
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
}
