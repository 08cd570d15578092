// Values in HTML: shown as they are, never taken for markup.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { html } from "./html.ts";

/** What a browser makes of the five escapes. */
function unescape(text: string): string {
  const characters: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return text.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => characters[name] ?? "");
}

test("any text is shown as it is and is no markup", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("<", ">", "&", '"', "'", "a", "&amp;", "</p>") }), (text) => {
      const [, attribute = "", content = ""] =
        /^<p title="([^"]*)">([^<]*)<\/p>$/.exec(html`<p title="${text}">${text}</p>`.text) ?? [];
      expect(unescape(attribute)).toBe(text);
      expect(unescape(content)).toBe(text);
    }),
  );
});

describe("pieces", () => {
  test.each([
    ["stay as they are", html`<ul>${html`<li>${"<"}</li>`}</ul>`, "<ul><li>&lt;</li></ul>"],
    [
      "one after the other",
      html`<ul>${[1, 2].map((number) => html`<li>${number}</li>`)}</ul>`,
      "<ul><li>1</li><li>2</li></ul>",
    ],
    ["none", html`<ul>${[]}</ul>`, "<ul></ul>"],
  ])("%s", (_name, piece, text) => {
    expect(piece.text).toBe(text);
  });
});
