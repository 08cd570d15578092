// Reads JSON as RapidJSON does in TensorFlow Serving: whole decimals told from integers, NaN tokens, its error texts.

import { invalidArgument } from "../../inference-error.ts";

/** A number written with a point or an exponent whose value is whole, as `1.0`: no integer in TensorFlow Serving. */
export class WholeDecimal {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const SPACES = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:(\.)\d+)?(?:([eE])[+-]?\d+)?/y;
const PLAIN_TEXT = /[^"\\\p{Cc}]*/uy;
const HEX = /[0-9a-fA-F]{4}/y;

/** What one of these characters after a backslash stands for. */
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/**
 * The value of a JSON text that is not nested deeper than the stack allows (see `readJsonText`). Besides JSON's own
 * values there are NaN and infinities (written `NaN`, `Inf`, `Infinity`), bigint for integers that a double cannot
 * hold, and WholeDecimal. Objects have no prototype. Ten times slower than JSON.parse, so for what that cannot tell.
 * Throws `INVALID_ARGUMENT` with the text that RapidJSON has for the fault and its offset in bytes.
 */
export function parseExactly(text: string): unknown {
  return new Reader(text).readDocument();
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  readDocument(): unknown {
    this.#skipSpaces();
    if (this.#at === this.#text.length) {
      throw this.#fault("The document is empty.");
    }
    const value = this.#readValue();
    this.#skipSpaces();
    if (this.#at < this.#text.length) {
      throw this.#fault("The document root must not be followed by other values.");
    }
    return value;
  }

  #readValue(): unknown {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#readObject();
      case "[":
        return this.#readList();
      case '"':
        return this.#readText();
      case "n":
        return this.#readWord("null", null);
      case "t":
        return this.#readWord("true", true);
      case "f":
        return this.#readWord("false", false);
      default:
        return this.#readNumber();
    }
  }

  #readObject(): Record<string, unknown> {
    const object: Record<string, unknown> = Object.create(null);
    this.#at += 1;
    this.#skipSpaces();
    if (this.#take("}")) {
      return object;
    }
    do {
      this.#skipSpaces();
      if (this.#text[this.#at] !== '"') {
        throw this.#fault("Missing a name for object member.");
      }
      const name = this.#readText();
      this.#skipSpaces();
      if (!this.#take(":")) {
        throw this.#fault("Missing a colon after a name of object member.");
      }
      this.#skipSpaces();
      object[name] = this.#readValue();
      this.#skipSpaces();
    } while (this.#take(","));
    if (!this.#take("}")) {
      throw this.#fault("Missing a comma or '}' after an object member.");
    }
    return object;
  }

  #readList(): unknown[] {
    const list: unknown[] = [];
    this.#at += 1;
    this.#skipSpaces();
    if (this.#take("]")) {
      return list;
    }
    do {
      this.#skipSpaces();
      list.push(this.#readValue());
      this.#skipSpaces();
    } while (this.#take(","));
    if (!this.#take("]")) {
      throw this.#fault("Missing a comma or ']' after an array element.");
    }
    return list;
  }

  #readWord<T>(word: string, value: T): T {
    for (const letter of word) {
      if (!this.#take(letter)) {
        throw this.#fault("Invalid value.");
      }
    }
    return value;
  }

  #readNumber(): unknown {
    const start = this.#at;
    NUMBER.lastIndex = start;
    const match = NUMBER.exec(this.#text);
    if (match === null) {
      return this.#readNonFinite();
    }
    const [source, point, exponent] = match;
    this.#at += source.length;
    this.#refuseCutNumber(point, exponent);
    const value = Number(source);
    if (!Number.isFinite(value)) {
      throw this.#fault("Number too big to be stored in double.", start);
    }
    if (point === undefined && exponent === undefined) {
      return Number.isSafeInteger(value) ? value : BigInt(source);
    }
    return Number.isInteger(value) ? new WholeDecimal(value) : value;
  }

  /** What follows a number is one of its parts begun and not ended. */
  #refuseCutNumber(point: string | undefined, exponent: string | undefined): void {
    const next = this.#text[this.#at];
    if (next === "." && point === undefined && exponent === undefined) {
      throw this.#fault("Miss fraction part in number.", this.#at + 1);
    }
    if ((next === "e" || next === "E") && exponent === undefined) {
      const sign = this.#text[this.#at + 1];
      throw this.#fault("Miss exponent in number.", this.#at + (sign === "+" || sign === "-" ? 2 : 1));
    }
  }

  #readNonFinite(): number {
    const negative = this.#take("-");
    switch (this.#text[this.#at]) {
      case "N":
        return this.#readWord("NaN", Number.NaN);
      case "I":
        this.#readWord("Inf", undefined);
        if (this.#text[this.#at] === "i") {
          this.#readWord("inity", undefined);
        }
        return negative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      default:
        throw this.#fault("Invalid value.");
    }
  }

  #readText(): string {
    this.#at += 1;
    let result = "";
    for (;;) {
      PLAIN_TEXT.lastIndex = this.#at;
      const plain = PLAIN_TEXT.exec(this.#text)?.[0] ?? "";
      result += plain;
      this.#at += plain.length;
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) {
        this.#at += 1;
        return result;
      }
      if (code === BACKSLASH) {
        result += this.#readEscape();
      } else if (Number.isNaN(code) || code === 0) {
        throw this.#fault("Missing a closing quotation mark in string.");
      } else if (code < FIRST_PRINTABLE) {
        throw this.#fault("Invalid encoding in string.");
      } else {
        // One of the control characters above ASCII, which JSON allows.
        result += this.#text[this.#at];
        this.#at += 1;
      }
    }
  }

  #readEscape(): string {
    const start = this.#at;
    const letter = this.#text[start + 1] ?? "";
    this.#at += 2;
    if (letter !== "u") {
      const character = ESCAPES[letter];
      if (character === undefined) {
        throw this.#fault("Invalid escape character in string.", start);
      }
      return character;
    }
    const first = this.#readHex(start);
    if (first < 0xd800 || first > 0xdfff) {
      return String.fromCharCode(first);
    }
    const paired = first < 0xdc00 && this.#take("\\") && this.#take("u");
    const second = paired ? this.#readHex(start) : 0;
    if (second < 0xdc00 || second > 0xdfff) {
      throw this.#fault("The surrogate pair in string is invalid.", start);
    }
    return String.fromCharCode(first, second);
  }

  #readHex(escapeStart: number): number {
    HEX.lastIndex = this.#at;
    const digits = HEX.exec(this.#text)?.[0];
    if (digits === undefined) {
      throw this.#fault("Incorrect hex digit after \\u escape in string.", escapeStart);
    }
    this.#at += digits.length;
    return Number.parseInt(digits, 16);
  }

  #skipSpaces(): void {
    SPACES.lastIndex = this.#at;
    this.#at += SPACES.exec(this.#text)?.[0].length ?? 0;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) {
      return false;
    }
    this.#at += 1;
    return true;
  }

  #fault(message: string, index = this.#at): Error {
    const offset = Buffer.byteLength(this.#text.slice(0, index));
    return invalidArgument(`JSON Parse error: ${message} at offset: ${offset}`);
  }
}
