// Quantities of objects that the API server has admitted: they are always valid.

import { parseQuantity as parse } from "../../../operator/api/quantity.ts";

/** @throws Error for text that is no quantity; the API server refuses such text, so it never comes from an object. */
export function parseQuantity(text: string): number {
  const value = parse(text.trim());
  if (value === undefined) {
    throw new Error(`"${text}" is no quantity: use a number with an optional unit such as m, k, M, Ki, Mi or Gi`);
  }
  return value;
}
