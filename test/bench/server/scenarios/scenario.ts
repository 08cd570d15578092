// One thing that is measured, on its own or as part of a whole run.

import type { Bench } from "../bench.ts";
import type { Contestant, ContestResult } from "../interleave.ts";

export interface Scenario {
  /** As in ONLY. */
  readonly name: string;
  readonly title: string;
  /** Records its figures as it goes; rejects where the rest cannot be measured. */
  readonly run: (bench: Bench) => Promise<void>;
}

/** Prints what each contestant reached in each repeat. */
export function logContest(bench: Bench, unit: string, result: ContestResult): void {
  for (const name of result.names) {
    const values = result.values(name).map((value) => value.toFixed(1));
    bench.log(`${name}: ${result.median(name).toFixed(1)} ${unit} (${values.join(", ")})`);
  }
}

/** The contestant, unless a first short measurement fails: then that is noted and the others go on without it. */
export async function ifPossible(
  bench: Bench,
  contestant: Contestant,
  trial: () => Promise<unknown>,
): Promise<Contestant[]> {
  try {
    await trial();
    return [contestant];
  } catch (error) {
    bench.figures.fail(contestant.name, error);
    return [];
  }
}
