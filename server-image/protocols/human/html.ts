// Pieces of HTML put together so that no value can become markup.

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Markup that may stand in a page as it is. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[];

/** A template whose values are escaped, for text as well as for attributes in quotes; pieces of HTML stay as they are. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return new Html(
    strings.map((text, index) => (index === 0 ? text : toMarkup(values[index - 1] ?? "") + text)).join(""),
  );
}

function toMarkup(value: Part): string {
  if (value instanceof Html) {
    return value.text;
  }
  return typeof value === "object" ? value.map(({ text }) => text).join("") : escape(String(value));
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
