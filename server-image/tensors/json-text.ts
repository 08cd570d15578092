// From the bytes of a JSON body to values: bounded structure, exact 64-bit integers, NaN and infinities.

import { isUtf8 } from "node:buffer";

import { invalidArgument } from "../inference-error.ts";

/** Deeper bodies are refused before they are parsed: the parser's memory grows with depth. */
export const MAX_DEPTH = 100;

/**
 * More of them are refused before they are parsed: a list, an object or a field takes far more time and memory than its
 * two or three bytes say. Data of shape [N, 1] nested as its shape has N lists, while objects are only the inputs and
 * outputs with their parameters.
 */
export const MAX_LISTS = 1_000_000;
export const MAX_OBJECTS = 10_000;
export const MAX_MEMBERS = 100_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COLON = 0x3a;

/** Doubles hold every integer of fewer digits, so only longer ones need their source text. */
const LONG_INTEGER = /\d{16}/;
const INTEGER = /^-?\d+$/;

/**
 * Parses a body. With `exactIntegers`, integers that a double cannot hold come out as bigint: that costs a callback per
 * value, so it is asked for only by models with 64-bit inputs. The tokens `NaN`, `Infinity` and `-Infinity`, which
 * Python writes and JSON forbids, come out as the strings of the same spelling (as in protobuf's JSON mapping).
 * Throws `INVALID_ARGUMENT`.
 */
export function parseJson(body: Buffer, exactIntegers: boolean): unknown {
  if (!isUtf8(body)) {
    throw invalidArgument("the body is not valid UTF-8");
  }
  checkStructure(body);
  const text = body.toString("utf8");
  try {
    return parse(text, exactIntegers);
  } catch (cause) {
    const quoted = quoteNonFinite(text);
    if (quoted !== text) {
      return parseOrExplain(quoted, exactIntegers);
    }
    throw notJson(cause);
  }
}

function parseOrExplain(text: string, exactIntegers: boolean): unknown {
  try {
    return parse(text, exactIntegers);
  } catch (cause) {
    throw notJson(cause);
  }
}

function notJson(cause: unknown): Error {
  // V8 quotes the text around the fault; a client may see its own bytes, but the message must stay short.
  const detail = cause instanceof Error ? cause.message.replaceAll(/\s+/g, " ").slice(0, 200) : "";
  return invalidArgument(`the body is not valid JSON: ${detail}`);
}

/** A reviver; TypeScript's types do not know the third argument yet. */
function keepExact(_key: string, value: unknown, context: { source?: string }): unknown {
  const source = context.source ?? "";
  return typeof value === "number" && !Number.isSafeInteger(value) && INTEGER.test(source) ? BigInt(source) : value;
}

function parse(text: string, exactIntegers: boolean): unknown {
  if (!exactIntegers || !LONG_INTEGER.test(text)) {
    return JSON.parse(text);
  }
  return JSON.parse(text, keepExact as (key: string, value: unknown) => unknown);
}

/** Throws where brackets, braces and colons outside strings are nested too deep or are too many. */
function checkStructure(body: Buffer): void {
  // Flat data has a handful of them, and the search for a byte is far faster than looking at each.
  const few = [OPEN_LIST, OPEN_OBJECT, COLON].every((byte) => countUpTo(body, byte, MAX_DEPTH / 2) < MAX_DEPTH / 2);
  if (few) {
    return;
  }
  const counts = { depth: 0, lists: 0, objects: 0, members: 0 };
  for (let index = 0; index < body.length; index += 1) {
    const byte = body[index];
    if (byte === QUOTE) {
      index = endOfString(body, index);
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      counts.depth += 1;
      counts[byte === OPEN_LIST ? "lists" : "objects"] += 1;
      refuseExcess(counts);
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
      counts.depth -= 1;
    } else if (byte === COLON) {
      counts.members += 1;
      refuseExcess(counts);
    }
  }
}

interface StructureCounts {
  readonly depth: number;
  readonly lists: number;
  readonly objects: number;
  readonly members: number;
}

function refuseExcess({ depth, lists, objects, members }: StructureCounts): void {
  if (depth > MAX_DEPTH) {
    throw invalidArgument(`the body's JSON is nested deeper than ${MAX_DEPTH} levels`);
  }
  if (lists > MAX_LISTS) {
    throw invalidArgument(`the body's JSON has more than ${MAX_LISTS} lists; give "data" as one flat list`);
  }
  if (objects > MAX_OBJECTS) {
    throw invalidArgument(`the body's JSON has more than ${MAX_OBJECTS} objects`);
  }
  if (members > MAX_MEMBERS) {
    throw invalidArgument(`the body's JSON has more than ${MAX_MEMBERS} fields in its objects`);
  }
}

function countUpTo(body: Buffer, byte: number, limit: number): number {
  let count = 0;
  for (let index = body.indexOf(byte); index >= 0 && count <= limit; index = body.indexOf(byte, index + 1)) {
    count += 1;
  }
  return count;
}

/** The index of the closing quote, or of the last byte where there is none. */
function endOfString(body: Buffer, start: number): number {
  for (let index = start + 1; index < body.length; index += 1) {
    if (body[index] === BACKSLASH) {
      index += 1;
    } else if (body[index] === QUOTE) {
      return index;
    }
  }
  return body.length - 1;
}

const NON_FINITE = /NaN|-?Infinity/y;

/** Puts quotes around the non-finite tokens that stand outside strings. */
function quoteNonFinite(text: string): string {
  let result = "";
  let copied = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      index = endOfText(text, index);
      continue;
    }
    NON_FINITE.lastIndex = index;
    const token = isTokenStart(code) ? NON_FINITE.exec(text)?.[0] : undefined;
    if (token !== undefined) {
      result += `${text.slice(copied, index)}"${token}"`;
      copied = index + token.length;
      index = copied - 1;
    }
  }
  return result + text.slice(copied);
}

function isTokenStart(code: number): boolean {
  // N, I and the minus sign.
  return code === 0x4e || code === 0x49 || code === 0x2d;
}

function endOfText(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === BACKSLASH) {
      index += 1;
    } else if (code === QUOTE) {
      return index;
    }
  }
  return text.length - 1;
}
