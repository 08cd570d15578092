// Kubernetes label selectors: the grammar of `kubectl -l` and of the labelSelector query parameter.

/** A condition on one label. `a=b` is "in" with one value, `a!=b` is "notin" with one. */
export interface Requirement {
  readonly key: string;
  readonly operator: "in" | "notin" | "exists" | "doesNotExist";
  readonly values: readonly string[];
}

/** All of them hold; none at all selects everything. */
export type LabelSelector = readonly Requirement[];

export class LabelSelectorError extends Error {
  readonly code = "LABEL_SELECTOR";

  constructor(selector: string, problem: string) {
    super(
      `unable to parse label selector ${JSON.stringify(selector)}: ${problem}; ` +
        "allowed are KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY and !KEY, joined by commas",
    );
    this.name = "LabelSelectorError";
  }
}

const token = /\s*(==|!=|[=!(),<>]|[^=!(),<>\s]+)/g;
const qualifiedName = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/;
const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** Throws `LabelSelectorError`. */
export function parseLabelSelector(text: string): LabelSelector {
  const parser = new Parser(text);
  const requirements: Requirement[] = [];
  if (parser.atEnd()) return requirements;
  do requirements.push(parser.requirement());
  while (parser.accept(","));
  parser.expectEnd();
  return requirements;
}

export function matchesLabels(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  return selector.every(({ key, operator, values }) => {
    const value = labels.get(key);
    switch (operator) {
      case "in":
        return value !== undefined && values.includes(value);
      case "notin":
        return value === undefined || !values.includes(value);
      case "exists":
        return value !== undefined;
      case "doesNotExist":
        return value === undefined;
    }
  });
}

/** The one value that the selector lets `key` have, or undefined when it allows several, or any. */
export function onlyValue(selector: LabelSelector, key: string): string | undefined {
  return selector.find(
    (requirement) => requirement.key === key && requirement.operator === "in" && requirement.values.length === 1,
  )?.values[0];
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly string[];
  #position = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = Array.from(text.matchAll(token), ([, word = ""]) => word);
  }

  atEnd(): boolean {
    return this.#position === this.#tokens.length;
  }

  accept(expected: string): boolean {
    if (this.#tokens[this.#position] !== expected) return false;
    this.#position += 1;
    return true;
  }

  expectEnd(): void {
    if (!this.atEnd()) throw this.#unexpected("a comma or the end");
  }

  requirement(): Requirement {
    const negated = this.accept("!");
    const key = this.#key();
    if (negated) return { key, operator: "doesNotExist", values: [] };
    if (this.accept("=") || this.accept("==")) return { key, operator: "in", values: [this.#value()] };
    if (this.accept("!=")) return { key, operator: "notin", values: [this.#value()] };
    if (this.accept("in")) return { key, operator: "in", values: this.#values() };
    if (this.accept("notin")) return { key, operator: "notin", values: this.#values() };
    return { key, operator: "exists", values: [] };
  }

  #key(): string {
    const key = this.#word();
    if (key === undefined) throw this.#unexpected("a label key");
    const [name = "", prefix, ...rest] = key.split("/").toReversed();
    const prefixValid = prefix === undefined || (prefix.length <= 253 && subdomain.test(prefix));
    if (!qualifiedName.test(name) || !prefixValid || rest.length > 0) {
      throw new LabelSelectorError(this.#text, `${JSON.stringify(key)} is not a label key`);
    }
    return key;
  }

  /** A value may be left out: `a=` selects the empty value. */
  #value(): string {
    const value = this.#word() ?? "";
    if (value !== "" && !qualifiedName.test(value)) {
      throw new LabelSelectorError(this.#text, `${JSON.stringify(value)} is not a label value`);
    }
    return value;
  }

  #values(): string[] {
    if (!this.accept("(")) throw this.#unexpected('"("');
    const values: string[] = [];
    do values.push(this.#value());
    while (this.accept(","));
    if (!this.accept(")")) throw this.#unexpected('"," or ")"');
    return values;
  }

  #word(): string | undefined {
    const word = this.#tokens[this.#position];
    if (word === undefined || /^[=!(),<>]/.test(word)) return undefined;
    this.#position += 1;
    return word;
  }

  #unexpected(expected: string): LabelSelectorError {
    const found = this.#tokens[this.#position];
    const what = found === undefined ? "the end" : JSON.stringify(found);
    return new LabelSelectorError(this.#text, `found ${what} where ${expected} is expected`);
  }
}
