// Measures several contestants in turn, again and again, so that whatever drifts on the machine meets all of them.

import { median } from "./statistics.ts";

/** Something with a figure, such as requests per second. */
export interface Contestant {
  readonly name: string;
  readonly measure: () => Promise<number>;
}

/** What was measured of each contestant, one value per repeat. */
export class ContestResult {
  readonly #values: ReadonlyMap<string, readonly number[]>;

  constructor(values: ReadonlyMap<string, readonly number[]>) {
    this.#values = values;
  }

  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** Throws for a name that did not take part. */
  values(name: string): readonly number[] {
    const values = this.#values.get(name);
    if (values === undefined) {
      throw new Error(`${name} was not measured`);
    }
    return values;
  }

  median(name: string): number {
    return median(this.values(name));
  }

  /** Of the medians. */
  ratio(name: string, reference: string): number {
    return this.median(name) / this.median(reference);
  }
}

/** Each repeat begins with another contestant: whoever comes after a hot one is not always the same. */
export async function interleave(contestants: readonly Contestant[], repeats: number): Promise<ContestResult> {
  const values = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const first = repeat % Math.max(1, contestants.length);
    for (const { name, measure } of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      values.get(name)?.push(await measure());
    }
  }
  return new ContestResult(values);
}
