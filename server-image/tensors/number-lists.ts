// The long lists of numbers in a JSON body: cut out before the parse, and read when it is known what they are for.

import { bytesOf, zeros } from "./datatypes.ts";
import { FloatReader } from "./float-reader.ts";
import { parseText, scanJson } from "./json-text.ts";
import { elementCount } from "./shape.ts";

/** In the place of a list stands a text of it and the list's number. No text that a model may be given contains it. */
const MARK = "\0";

/** Never changed: there is nothing to take out. */
const NONE = new Set<number>();

function numbersBelow(count: number): Set<number> {
  return new Set(Array.from({ length: count }, (_, number) => number));
}

/** Lists under `LONG_LIST` characters, and all lists of bodies that are not ASCII, stay where they are. */
export class NumberLists {
  /** Of the body, with a mark in the place of each list. */
  readonly value: unknown;
  readonly #body: Buffer;
  readonly #exactIntegers: boolean;
  readonly #brackets: readonly number[];
  /** Numbers of lists that nobody has read so far. */
  readonly #unread: Set<number>;

  /** Parses a body as `parseJson` does, which see, except for the lists. Throws `INVALID_ARGUMENT`. */
  constructor(body: Buffer, exactIntegers: boolean) {
    const { text, longLists } = scanJson(body);
    this.#body = body;
    this.#exactIntegers = exactIntegers;
    // Otherwise indexes in the text are none in the body.
    this.#brackets = text.length === body.length ? longLists : [];
    this.#unread = this.#brackets.length === 0 ? NONE : numbersBelow(this.#brackets.length / 2);
    this.value = parseText(this.#cutOut(text), exactIntegers);
  }

  /** The list or the lists in `data`, a part of the value, as JSON.parse would have given them. */
  parsed(data: unknown): unknown {
    if (this.#brackets.length === 0) {
      return data;
    }
    const list = this.#listOf(data);
    if (list !== undefined) {
      return this.#parse(list);
    }
    return Array.isArray(data) ? data.map((item) => this.parsed(item)) : data;
  }

  /**
   * `data`, flat or nested as `shape` says, as FP32. Undefined where it has anything but long lists of exactly as many
   * finite numbers as the shape says: then `parsed` and a closer look tell what it is.
   */
  readFloats(data: unknown, shape: readonly number[], what: string): Uint8Array | undefined {
    const count = elementCount(shape, what);
    // Checked before memory is taken: a number and a comma take two bytes.
    if (this.#brackets.length === 0 || count > this.#body.length / 2) {
      return undefined;
    }
    const memory = zeros("FP32", count);
    const reader = new FloatReader(this.#body, memory);
    const list = this.#listOf(data);
    const lists = list === undefined ? this.#nestedLists(data, shape) : [list];
    const perList = count / (lists?.length ?? 1);
    if (lists === undefined || !lists.every((each) => reader.readList(this.#startOf(each), perList))) {
      return undefined;
    }
    for (const each of lists) {
      this.#unread.delete(each);
    }
    return bytesOf(memory);
  }

  /** Throws `INVALID_ARGUMENT` where lists that nobody has read are no JSON. */
  checkRest(): void {
    for (const list of this.#unread) {
      this.#parse(list);
    }
  }

  #cutOut(text: string): string {
    if (this.#brackets.length === 0) {
      return text;
    }
    let rest = "";
    let copied = 0;
    for (const list of this.#unread) {
      rest += `${text.slice(copied, this.#startOf(list))}${JSON.stringify(MARK + list)}`;
      copied = this.#endOf(list);
    }
    return rest + text.slice(copied);
  }

  /** Undefined where `data` is no mark. */
  #listOf(data: unknown): number | undefined {
    if (typeof data !== "string" || !data.startsWith(MARK)) {
      return undefined;
    }
    // A client may write a mark itself: it then stands for that client's list, or for none.
    const list = Number(data.slice(MARK.length));
    return Number.isInteger(list) && this.#brackets[2 * list] !== undefined ? list : undefined;
  }

  /** One list for each row of the last axis, in order; undefined where something else is among them. */
  #nestedLists(data: unknown, shape: readonly number[]): number[] | undefined {
    let rows: unknown[] = [data];
    for (const size of shape.slice(0, -1)) {
      if (!rows.every((row) => Array.isArray(row) && row.length === size)) {
        return undefined;
      }
      rows = rows.flat();
    }
    const lists = rows.map((row) => this.#listOf(row));
    return lists.every((list) => list !== undefined) ? lists : undefined;
  }

  #parse(list: number): unknown {
    this.#unread.delete(list);
    return parseText(this.#body.toString("latin1", this.#startOf(list), this.#endOf(list)), this.#exactIntegers);
  }

  #startOf(list: number): number {
    return this.#brackets[2 * list] ?? 0;
  }

  /** After the closing bracket. */
  #endOf(list: number): number {
    return (this.#brackets[2 * list + 1] ?? 0) + 1;
  }
}
