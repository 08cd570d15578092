// Waits for a state of the world, with a deadline and an error that says what was last seen.

export interface UntilOptions {
  readonly what: string;
  readonly timeoutSeconds?: number;
  /** Between two looks. Default 200. */
  readonly intervalMs?: number;
}

/**
 * Asks again and again until `check` gives something other than undefined or false, and returns that.
 * Throws after the deadline, naming `what` and the last error.
 */
export async function until<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
  options: UntilOptions,
): Promise<T> {
  const { what, timeoutSeconds = 60, intervalMs = 200 } = options;
  const deadline = performance.now() + timeoutSeconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const seen = await check();
      if (seen !== undefined && seen !== false) return seen;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutSeconds} s: ${what}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
