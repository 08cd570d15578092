// Runs a tick again and again at a steady pace, whatever becomes of each.

import type { Logger } from "../observability/logger.ts";

export interface LoopOptions {
  readonly tick: (signal: AbortSignal) => Promise<void>;
  readonly intervalMs: number;
  readonly now: () => number;
  /** Resolves after so long, or at once when the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
}

/** Ends when the signal aborts. A tick that takes longer than the interval is followed by the next one at once. */
export async function runLoop(options: LoopOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const startedMs = options.now();
    try {
      await options.tick(signal);
    } catch (error) {
      if (!signal.aborted) options.logger.error({ err: error }, "autoscaler tick failed");
    }
    await options.sleep(Math.max(0, startedMs + options.intervalMs - options.now()), signal);
  }
}
