// What is left of text before it is shown: nothing secret, nothing that spoils a line, nothing endless.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maxTextCharacters, publicText } from "./public-text.ts";

describe("publicText", () => {
  test.each([
    ["plain text stays", "0 of 2 replicas are ready", "0 of 2 replicas are ready"],
    [
      "an address stays",
      "GET https://models.example.com/a/b.onnx: 404",
      "GET https://models.example.com/a/b.onnx: 404",
    ],
    ["a user and password go", "https://bob:s3cret@example.com/x", "https://example.com/x"],
    ["a user goes", "s3://AKIA123@bucket/x", "s3://bucket/x"],
    ["a password with @ : ? and # goes whole", "ftp://u:p@s?s#w@example.com/x", "ftp://example.com/x"],
    [
      "a signature goes",
      "GET https://b.s3.example.com/m?X-Amz-Signature=abc&X=1: 403",
      "GET https://b.s3.example.com/m 403",
    ],
    ["a fragment goes", "see https://example.com/x#token=abc now", "see https://example.com/x now"],
    ["an address in quotes ends at the quote", `"https://a:b@c.d/e?f=g" failed`, `"https://c.d/e" failed`],
    ["upper case is no way around", "HTTPS://a:b@c.d/e?f", "HTTPS://c.d/e"],
    ["an e-mail address is no user info", "ask ml@example.com why?", "ask ml@example.com why?"],
    ["lines become one", "a\r\n  b\tc\u2028d\u0000e", "a b c d e"],
    ["marks that turn text around go", "a\u202Eb", "a b"],
    ["half a character becomes a mark", "a\uD83D", "a\uFFFD"],
  ])("%s", (_sentence, text, shown) => {
    expect(publicText(text)).toBe(shown);
  });

  test("long text ends in a mark", () => {
    const shown = publicText("x".repeat(100_000));
    expect(shown).toHaveLength(maxTextCharacters);
    expect(shown).toMatch(/x…$/);
  });

  test("of any text is short, well formed, and stays as it is", () => {
    const part = fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.constantFrom("https://", "@", "?", "#", "😀", "\n", "a:b@", '"'),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const shown = publicText(parts.join(""));
        expect(shown.length).toBeLessThanOrEqual(maxTextCharacters);
        expect(shown.isWellFormed()).toBe(true);
        expect(publicText(shown)).toBe(shown);
      }),
    );
  });

  test("never shows a password", () => {
    const password = fc.stringMatching(/^[!-~]{8,20}$/).filter((text) => !/[/"'<>]/.test(text));
    fc.assert(
      fc.property(password, (secret) => {
        expect(publicText(`cannot read https://user:${secret}@example.com/model: 401`)).toBe(
          "cannot read https://example.com/model: 401",
        );
      }),
    );
  });
});
