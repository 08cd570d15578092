// Tokens that JSON.parse cannot take, or not exactly, made into strings before and, where need be, into values after it.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Doubles hold every integer of fewer digits. */
const LONG = 16;
const LONG_INTEGER = /"|(?<![\w.+-])-?[1-9]\d{15,}(?![\w.])/g;
const NON_FINITE = /"|NaN|-?Infinity/g;

/** A string that begins so is an integer; no text that a model may be given contains NUL. */
const INTEGER_MARK = "\0i";

/** Puts quotes around `NaN`, `Infinity` and `-Infinity` where they stand outside strings. */
export function quoteNonFinite(text: string): string {
  return replaceTokens(text, NON_FINITE, (token) => `"${token}"`);
}

/**
 * Writes integers that a double may not hold as strings that `restoreIntegers` knows. A reviver of JSON.parse could tell
 * them as well, but it is called for each value: seconds for what is otherwise parsed in milliseconds.
 */
export function markLongIntegers(text: string): string {
  return hasLongDigits(text)
    ? replaceTokens(text, LONG_INTEGER, (token) => JSON.stringify(INTEGER_MARK + token))
    : text;
}

/** Looks at every sixteenth character, since none of so many digits in a row can lie between two of them. */
function hasLongDigits(text: string): boolean {
  for (let at = LONG - 1; at < text.length; at += LONG) {
    if (isDigit(text, at)) {
      let start = at;
      while (isDigit(text, start - 1)) {
        start -= 1;
      }
      let end = at + 1;
      while (isDigit(text, end)) {
        end += 1;
      }
      if (end - start >= LONG) {
        return true;
      }
    }
  }
  return false;
}

/** False beyond the ends. */
function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Marked integers in a parsed value become numbers where a double holds them, else bigint; lists and objects stay the same. */
export function restoreIntegers(value: unknown): unknown {
  if (typeof value === "string") {
    return value.startsWith(INTEGER_MARK) ? toInteger(value) : value;
  }
  if (Array.isArray(value)) {
    const list: unknown[] = value;
    for (let index = 0; index < list.length; index += 1) {
      const item = list[index];
      if (typeof item !== "number") {
        list[index] = restoreIntegers(item);
      }
    }
  } else if (typeof value === "object" && value !== null) {
    const fields = value as Record<string, unknown>;
    for (const key of Object.keys(fields)) {
      fields[key] = restoreIntegers(fields[key]);
    }
  }
  return value;
}

/** A string that a client marked itself stays one unless it is an integer. */
function toInteger(marked: string): unknown {
  const digits = marked.slice(INTEGER_MARK.length);
  if (!/^-?[1-9]\d*$/.test(digits)) {
    return marked;
  }
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}

/** @param tokens finds the tokens, and quotes; without tokens the text comes back as it is */
function replaceTokens(text: string, tokens: RegExp, replace: (token: string) => string): string {
  const parts: string[] = [];
  let copied = 0;
  tokens.lastIndex = 0;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const [token] = match;
    if (token === '"') {
      tokens.lastIndex = endOfText(text, match.index) + 1;
    } else {
      parts.push(text.slice(copied, match.index), replace(token));
      copied = tokens.lastIndex;
    }
  }
  return parts.length === 0 ? text : parts.join("") + text.slice(copied);
}

/** The index of the quote that closes a string, or of the last character where there is none. */
export function endOfText(text: string, start: number): number {
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
