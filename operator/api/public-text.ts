// Makes text of any origin fit for a status or an event: one line, of bounded length, without what may be a secret.

/** Characters of a condition's message, and of every other text that comes from elsewhere. */
export const maxTextCharacters = 1024;

/** Longer text is cut before anything is looked for in it. */
const maxReadCharacters = 4096;
/** Up to the last `@` before the path: a password may hold every other character. */
const userInfo = /([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/"'<>]*@/gi;
const address = /[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"'<>]*/gi;

/**
 * Line breaks and control characters become spaces; the user names, passwords, queries and fragments of addresses are
 * left out. Applied to its own result it changes nothing.
 */
export function publicText(text: string): string {
  const line = text
    .slice(0, maxReadCharacters)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .replace(userInfo, "$1")
    // Signed addresses carry their signature behind the question mark.
    .replace(address, (whole) => whole.split(/[?#]/, 1)[0] ?? "")
    .trim();
  // A character that was cut in two is no text: the API server would store another one than was sent.
  return (
    line.length <= maxTextCharacters ? line : `${line.slice(0, maxTextCharacters - 1).trimEnd()}…`
  ).toWellFormed();
}
