// Finds the way to run a model without a server that gives the most rows per second.

import type { RawSplit } from "./raw-process.ts";

export interface RawConfiguration extends RawSplit {
  readonly rows: number;
}

export interface Trial extends RawConfiguration {
  readonly rowsPerSecond: number;
}

/** Larger batches are given up after two in a row that are worse by this much than the best one so far. */
const WORSE = 0.95;

/** All ways to share out so many cores evenly: each as many workers as threads fit. */
export function splits(cores: number): RawSplit[] {
  return Array.from({ length: cores }, (_, index) => index + 1)
    .filter((workers) => cores % workers === 0)
    .map((workers) => ({ workers, threads: cores / workers }));
}

/**
 * Tries every split with growing batches.
 * @param measure rows per second of one configuration
 * @returns all trials, the best one first
 */
export async function searchCeiling(
  candidates: readonly RawSplit[],
  sizes: readonly number[],
  measure: (configuration: RawConfiguration) => Promise<number>,
): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const split of candidates) {
    let best = 0;
    let worse = 0;
    for (const rows of sizes) {
      const rowsPerSecond = await measure({ ...split, rows });
      trials.push({ ...split, rows, rowsPerSecond });
      worse = rowsPerSecond < best * WORSE ? worse + 1 : 0;
      best = Math.max(best, rowsPerSecond);
      if (worse === 2) {
        break;
      }
    }
  }
  return trials.toSorted((a, b) => b.rowsPerSecond - a.rowsPerSecond);
}
