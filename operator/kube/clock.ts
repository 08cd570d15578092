// Time as an argument: a monotonic clock with timers, and waiting that ends with its signal.

/** A monotonic clock. Tests pass one that they move by hand. */
export interface Clock {
  /** Milliseconds since an arbitrary moment; never goes back. */
  nowMs(): number;
  /** Calls back once after `delayMs`; the returned function cancels. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** The longest delay a Node timer takes; a longer one would fire at once. */
export const maxTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, maxTimerMs));
    return () => clearTimeout(timer);
  },
};

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Resolves after `delayMs` or as soon as the signal aborts, whichever is first; never rejects. */
export function wait(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.resolve();
  const end = (): void => {
    cancel();
    signal?.removeEventListener("abort", end);
    resolve();
  };
  const cancel = clock.schedule(delayMs, end);
  signal?.addEventListener("abort", end, { once: true });
  return promise;
}
