// Whether a live value already has everything that an apply would write into it.

import { isDeepStrictEqual } from "node:util";
import { fieldOf, itemKey } from "./field-set.ts";
import type { Structure } from "./types.ts";

/** True when merging `desired` into `live` by the rules of server-side apply would change nothing. Both are plain JSON. */
export function covers(live: unknown, desired: unknown, structure: Structure | undefined): boolean {
  if (structure === "atomic" || !isObject(desired) || !isObject(live)) return isDeepStrictEqual(live, desired);
  if (Array.isArray(desired)) return Array.isArray(live) && coversList(live, desired, structure);
  if (Array.isArray(live)) return false;
  const fields = typeof structure === "object" && "fields" in structure ? structure.fields : {};
  return Object.entries(desired).every(
    ([name, value]) => Object.hasOwn(live, name) && covers(live[name], value, fieldOf(fields, name)),
  );
}

function coversList(live: readonly unknown[], desired: readonly unknown[], structure: Structure | undefined): boolean {
  if (structure === "set") return desired.every((item) => live.includes(item));
  if (typeof structure !== "object" || !("keys" in structure)) return isDeepStrictEqual(live, desired);
  return desired.every((item) => {
    const key = itemKey(item, structure);
    const same = live.find((other) => isDeepStrictEqual(itemKey(other, structure), key));
    return same !== undefined && covers(same, item, structure.item);
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
