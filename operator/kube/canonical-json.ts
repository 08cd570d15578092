// One text for equal JSON values, whatever the order of their keys; the base of hashes and comparisons.

import { hash } from "node:crypto";

/** JSON with keys in order of code units and without undefined fields. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(ordered(value));
}

/** A copy, which is several times faster than a replacer that is called for every field. */
function ordered(value: unknown): unknown {
  // A Date says itself what it is in JSON.
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(ordered);
  const fields = Object.entries(value).map(([name, part]): [string, unknown] => [name, ordered(part)]);
  return Object.fromEntries(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The first 32 hexadecimal digits of the SHA-256 of the value's canonical text. */
export function hashOf(value: unknown): string {
  return hash("sha256", canonicalJson(value), "hex").slice(0, 32);
}
