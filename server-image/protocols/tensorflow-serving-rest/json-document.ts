// The JSON object of a request, parsed fast where that tells all, and exactly where it does not.

import { invalidArgument } from "../../inference-error.ts";
import type { Datatype } from "../../tensors/datatypes.ts";
import { readJsonText } from "../../tensors/json-text.ts";
import { parseExactly, WholeDecimal } from "./exact-json.ts";
import { showValue } from "./show-value.ts";

export interface JsonDocument {
  readonly fields: Readonly<Record<string, unknown>>;
  /**
   * Whether numbers tell how they were written: integers beyond 2^53 are bigint, whole decimals WholeDecimal, and NaN and
   * infinities were written so. Where not, a reader that must know rejects with `SOURCE_NEEDED`.
   */
  readonly exact: boolean;
}

/** Thrown by readers of a document that is not exact, when they meet a number that may have been written in two ways. */
export const SOURCE_NEEDED = new Error("the source of a number is needed");

/** A digit before a point or an exponent: some number is written as a decimal, or some text looks like it. */
const DECIMAL = /\d[.eE]/;

/**
 * What `read` makes of the body's document, which it may be given twice. Throws `INVALID_ARGUMENT` with TensorFlow
 * Serving's texts where the body is no JSON object.
 *
 * @param wholeNumbers whether `read` must tell 1 from 1.0, which costs time only where the body has decimals
 */
export function readDocument<T>(body: Buffer, wholeNumbers: boolean, read: (document: JsonDocument) => T): T {
  if (body.length === 0) {
    throw invalidArgument("JSON Parse error: The document is empty");
  }
  const text = readJsonText(body);
  const plain = wholeNumbers && DECIMAL.test(text) ? undefined : parsePlain(text);
  if (plain !== undefined) {
    try {
      return read({ fields: requireObject(plain.value), exact: false });
    } catch (error) {
      if (error !== SOURCE_NEEDED) {
        throw error;
      }
    }
  }
  return read({ fields: requireObject(parseExactly(text)), exact: true });
}

/** Whether JSON can be read into a tensor of this type only where 1 is told from 1.0. */
export function takesWholeNumbers(datatype: Datatype): boolean {
  return datatype.startsWith("INT") || datatype.startsWith("UINT");
}

/** Undefined for what JSON.parse does not take: it may still be right, as NaN is. */
function parsePlain(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function requireObject(value: unknown): Record<string, unknown> {
  if (!isObject(value)) {
    throw invalidArgument(`JSON Value: ${showValue(value)} Is not object`);
  }
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof WholeDecimal);
}

/** Undefined where the object has no such field of its own. */
export function fieldOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}
