// JSON values as TensorFlow Serving's messages show them, cut off before they become long.

import { WholeDecimal } from "./exact-json.ts";

/** TensorFlow Serving repeats whole requests; a client needs no more than this to find its fault. */
const MAX_SHOWN = 200;

/** The value as JSON, indented as RapidJSON does, at most about 200 characters of it. */
export function showValue(value: unknown): string {
  const shown = write(value, "\n", MAX_SHOWN);
  return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}...` : shown;
}

/** TensorFlow Serving's name for what kind of JSON value it is. */
export function typeOf(value: unknown): string {
  if (value === null) {
    return "Null";
  }
  if (Array.isArray(value)) {
    return "Array";
  }
  switch (typeof value) {
    case "boolean":
      return value ? "True" : "False";
    case "string":
      return "String";
    case "object":
      return value instanceof WholeDecimal ? "Number" : "Object";
    default:
      return "Number";
  }
}

function write(value: unknown, lineStart: string, room: number): string {
  switch (typeOf(value)) {
    case "Array":
      return writeItems(value as unknown[], ["[", "]"], lineStart, room);
    case "Object":
      return writeItems(Object.entries(value as object), ["{", "}"], lineStart, room);
    case "Number":
      return writeNumber(value);
    case "String":
      return JSON.stringify((value as string).slice(0, room));
    default:
      return String(value);
  }
}

/** Lists give their values, objects pairs of name and value. */
function writeItems(
  items: readonly unknown[],
  [open, close]: readonly [string, string],
  lineStart: string,
  room: number,
): string {
  const inner = `${lineStart}    `;
  let result = open;
  for (const item of items) {
    if (result.length > room) {
      return result;
    }
    result += result === open ? inner : `,${inner}`;
    const value = open === "{" ? (item as [string, unknown])[1] : item;
    result += open === "{" ? `${JSON.stringify((item as [string, unknown])[0])}: ` : "";
    result += write(value, inner, room - result.length);
  }
  return result === open ? open + close : result + lineStart + close;
}

function writeNumber(value: unknown): string {
  const text = String(value instanceof WholeDecimal ? value.value : value);
  return value instanceof WholeDecimal && !text.includes("e") ? `${text}.0` : text;
}
