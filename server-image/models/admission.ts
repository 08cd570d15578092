// When a request is refused instead of queued, and in which words.

import { InferenceError } from "../inference-error.ts";
import type { RunTimes } from "./run-times.ts";
import type { InferenceRequest } from "./served-model.ts";

/** However short the allowed wait, so many runs may be ahead: else a slow model could have no queue at all. */
const RUNS_ALWAYS_AHEAD = 4;

/** What a new request would meet. */
export interface Situation {
  readonly runTimes: Pick<RunTimes, "estimate">;
  /** Rows that would run before it. */
  readonly rowsAhead: number;
  /** Most rows in one run. */
  readonly batchSize: number;
  /** Runs at the same time. */
  readonly parallelRuns: number;
  /** Whether it would run at once. */
  readonly idle: boolean;
  readonly maxExpectedWaitMs: number;
}

/**
 * An early no: for the client it is worth more than a late one, and for the others it is a shorter queue. Undefined where
 * the request can be expected to run in time; always so where nothing is ahead of it, whatever earlier runs have taken.
 */
export function refuseTooLate(
  { timeoutMs = Number.POSITIVE_INFINITY }: Pick<InferenceRequest, "timeoutMs">,
  { runTimes, rowsAhead, batchSize, parallelRuns, idle, maxExpectedWaitMs }: Situation,
): InferenceError | undefined {
  if (timeoutMs <= 0) {
    return unavailable("Request timeout expired: its deadline had passed when it arrived");
  }
  const fullRunSeconds = runTimes.estimate(batchSize);
  if (fullRunSeconds === undefined || idle) {
    return undefined;
  }
  const fullRunMs = fullRunSeconds * 1000;
  const waitMs = (rowsAhead / batchSize / parallelRuns) * fullRunMs;
  if (waitMs > Math.max(maxExpectedWaitMs, RUNS_ALWAYS_AHEAD * fullRunMs)) {
    return unavailable(`Exceeds maximum queue size: it would wait ${showSeconds(waitMs)}; try again later`);
  }
  const endMs = waitMs + (runTimes.estimate(1) ?? 0) * 1000;
  return endMs > timeoutMs
    ? unavailable(`Request timeout expired: it would take ${showSeconds(endMs)} and has ${showSeconds(timeoutMs)}`)
    : undefined;
}

export function queueFull(): InferenceError {
  return unavailable("Exceeds maximum queue size: the server is at its limit; try again later");
}

export function queueBytesFull(): InferenceError {
  return unavailable("Exceeds maximum queue size: too many bytes of requests wait; try again later");
}

export function clientGone(): InferenceError {
  return new InferenceError("CANCELLED", "the client closed the connection");
}

export function waitedTooLong(waitedMs: number): InferenceError {
  return unavailable(`Request timeout expired: it waited ${showSeconds(waitedMs)} for its turn`);
}

function unavailable(message: string): InferenceError {
  return new InferenceError("UNAVAILABLE", message);
}

function showSeconds(ms: number): string {
  return `${Number((ms / 1000).toPrecision(2))} s`;
}
