// Tries again what may go better the next time: with growing, jittered waits, and not for ever.

import { setTimeout } from "node:timers/promises";

import { LoadError } from "../load-error.ts";
import { RetryableError } from "./remote-file.ts";
import type { Transfer } from "./transfer.ts";

/** In a row without progress. */
const ATTEMPTS = 5;
const MAX_WAIT_MS = 30_000;

export interface Attempts<T> {
  readonly action: () => Promise<T>;
  /** A number that grows with progress, which starts the count of attempts anew. */
  readonly progress?: () => number;
  /** What is asked for, for messages. */
  readonly label: string;
}

/**
 * What `action` resolves with once it does. Rejects with a LoadError when it has failed with a RetryableError too often,
 * with any other error at once, and with the signal's reason when it aborts.
 */
export async function withRetries<T>(
  { action, progress = () => 0, label }: Attempts<T>,
  transfer: Transfer,
): Promise<T> {
  let furthest = progress();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await action();
    } catch (error) {
      transfer.signal.throwIfAborted();
      if (!(error instanceof RetryableError)) {
        throw error;
      }
      transfer.lastFailure = error.message;
      attempt = progress() > furthest ? 1 : attempt;
      furthest = Math.max(furthest, progress());
      if (attempt === ATTEMPTS) {
        const message = `${label}: ${error.message}; given up after ${ATTEMPTS} attempts`;
        throw new LoadError("download", "STORAGE_UNAVAILABLE", message, { cause: error });
      }
      await wait(attempt, error, transfer);
    }
  }
}

async function wait(attempt: number, error: RetryableError, { limits, random, log, signal }: Transfer): Promise<void> {
  const backOffMs = Math.min(limits.firstWaitMs * 2 ** (attempt - 1), MAX_WAIT_MS) * (0.5 + random());
  const waitMs = Math.max(backOffMs, Math.min(error.retryAfterMs ?? 0, MAX_WAIT_MS));
  log.warn({ attempt, waitMs, reason: error.message }, "model download failed; trying again");
  await setTimeout(waitMs, undefined, { signal });
}
