// Exponential back-off with jitter, so that many clients that failed together do not come back together.

export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Delay before try number `failures` + 1, in milliseconds: between half of `baseMs * 2^(failures - 1)` and all of it, capped.
 * @example base 1000, max 30000: failures 1 -> 500..1000, 3 -> 2000..4000, 9 -> 15000..30000
 */
export function backoffMs(failures: number, { baseMs, maxMs, random }: BackoffOptions): number {
  // The exponent is bounded first: 2 ** 1100 is Infinity, and Infinity times a random 0 would be NaN.
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 60));
  return full * (0.5 + random() / 2);
}
