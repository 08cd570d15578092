// One text for equal JSON values, whatever the order of their keys; the base of hashes and comparisons.

import { createHash } from "node:crypto";

/** JSON with keys in order of code units and without undefined fields. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** The first 32 hexadecimal digits of the SHA-256 of the value's canonical text. */
export function hashOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex").slice(0, 32);
}
