// From the bytes of a JSON body to values: bounded structure, exact 64-bit integers, NaN and infinities.

import { isAscii, isUtf8 } from "node:buffer";

import { invalidArgument } from "../inference-error.ts";
import { endOfText, markLongIntegers, quoteNonFinite, restoreIntegers } from "./json-tokens.ts";

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
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COLON = 0x3a;

/** A body's text within the bounds, not parsed yet. */
export interface JsonText {
  readonly text: string;
  /**
   * Lists of `LONG_LIST` characters and more that hold no list, object or string: the indexes of their brackets, opening
   * and closing in turn.
   */
  readonly longLists: readonly number[];
}

/** Nothing is gained by reading shorter lists otherwise than the rest. */
export const LONG_LIST = 256;

/**
 * Parses a body. With `exactIntegers`, integers that a double cannot hold come out as bigint: that costs a look at the
 * whole text, so it is asked for only by models with 64-bit inputs. The tokens `NaN`, `Infinity` and `-Infinity`, which
 * Python writes and JSON forbids, come out as the strings of the same spelling (as in protobuf's JSON mapping).
 * Throws `INVALID_ARGUMENT`.
 */
export function parseJson(body: Buffer, exactIntegers: boolean): unknown {
  return parseText(readJsonText(body), exactIntegers);
}

/** The text of a body that may be parsed: UTF-8, structure within the bounds. Throws `INVALID_ARGUMENT`. */
export function readJsonText(body: Buffer): string {
  return scanJson(body).text;
}

/** As `readJsonText`, with what the look at the structure found besides. */
export function scanJson(body: Buffer): JsonText {
  const text = decodeText(body);
  return { text, longLists: checkStructure(text) };
}

/** As `parseJson`, for a text or a part of it that was checked. */
export function parseText(text: string, exactIntegers: boolean): unknown {
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

function decodeText(body: Buffer): string {
  if (isAscii(body)) {
    return body.toString("latin1");
  }
  if (!isUtf8(body)) {
    throw invalidArgument("the body is not valid UTF-8");
  }
  return body.toString("utf8");
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

function parse(text: string, exactIntegers: boolean): unknown {
  const marked = exactIntegers ? markLongIntegers(text) : text;
  // The same text where there is none.
  return marked === text ? JSON.parse(text) : restoreIntegers(JSON.parse(marked));
}

/** What the structure is made of; a search for it skips numbers many times faster than a look at each character. */
const STRUCTURAL = /["[\]{}:]/g;

/** So many characters are looked at one by one after a structural one, as more of them often follow. */
const CLOSE_BY = 32;

/** Throws where brackets, braces and colons outside strings are nested too deep or are too many; returns long lists. */
function checkStructure(text: string): number[] {
  const counts = { depth: 0, lists: 0, objects: 0, members: 0 };
  const longLists: number[] = [];
  /** Of the list that the last structural character opened. */
  let openedAt = Number.NaN;
  for (let index = nextStructural(text, 0); index < text.length; index = nextStructural(text, index + 1)) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = endOfText(text, index);
        openedAt = Number.NaN;
        break;
      case OPEN_LIST:
        openedAt = index;
        counts.depth += 1;
        counts.lists += 1;
        refuseExcess(counts);
        break;
      case OPEN_OBJECT:
        openedAt = Number.NaN;
        counts.depth += 1;
        counts.objects += 1;
        refuseExcess(counts);
        break;
      case COLON:
        openedAt = Number.NaN;
        counts.members += 1;
        refuseExcess(counts);
        break;
      case CLOSE_LIST:
        counts.depth -= 1;
        if (index - openedAt >= LONG_LIST) {
          longLists.push(openedAt, index);
        }
        openedAt = Number.NaN;
        break;
      default:
        openedAt = Number.NaN;
        counts.depth -= 1;
    }
  }
  return longLists;
}

/** The index of the first structural character from `start` on; the length of the text where there is none. */
function nextStructural(text: string, start: number): number {
  const end = Math.min(start + CLOSE_BY, text.length);
  for (let index = start; index < end; index += 1) {
    if (isStructural(text.charCodeAt(index))) {
      return index;
    }
  }
  STRUCTURAL.lastIndex = end;
  return STRUCTURAL.test(text) ? STRUCTURAL.lastIndex - 1 : text.length;
}

function isStructural(code: number): boolean {
  // Digits, commas, points and signs come before the colon; of what they are not, only the quote does too.
  return code >= COLON
    ? code === COLON || code === OPEN_LIST || code === CLOSE_LIST || code === OPEN_OBJECT || code === CLOSE_OBJECT
    : code === QUOTE;
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
