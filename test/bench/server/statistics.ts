// Medians and percentiles of measured figures.

/** The middle value; of an even number of values the mean of the two in the middle. Throws RangeError for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) {
    throw new RangeError("no values: there is no median");
  }
  return (lower + upper) / 2;
}

/**
 * The smallest value that at least `percent` of the values do not exceed (nearest rank): an observed value, never one
 * in between. Throws RangeError for no values.
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1];
  if (value === undefined) {
    throw new RangeError("no values: there is no percentile");
  }
  return value;
}
