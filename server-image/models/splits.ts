// How CPUs may be shared out among copies of the model, and which of two ways is better.

import type { Throughput } from "./trials.ts";

/** How CPUs are shared out: so many copies of the model, each run by so many threads. */
export interface Split {
  readonly workers: number;
  readonly threadsPerWorker: number;
}

/** What the user and the container say. */
export interface SplitLimits {
  /** Whole CPUs to share out. */
  readonly usableThreads: number;
  /** Given by the user, not to be searched. */
  readonly workers: number | undefined;
  readonly threadsPerWorker: number | undefined;
}

/** One queue of full batches serves better than several of half ones, so more workers must be well ahead. */
const WORTHWHILE_SPLIT = 1.3;
/**
 * Without that, more workers are right even where they seem a little slower: while serving, the I/O takes CPU from runs,
 * and a run of several threads waits for the one that suffers most.
 */
const GOOD_ENOUGH = 0.97;
/** A split that the CPU limit stops now and then must be ahead of one that it does not by this much. */
const THROTTLED_COST = 1.1;
/** Where joining gains less than this, half batches are nearly as good as full ones. */
const MUCH_GAIN = 1.5;

/** The split to begin with: one copy on all threads, or what the user asked for. */
export function firstSplit({ workers, threadsPerWorker, usableThreads }: SplitLimits): Split {
  const copies = workers ?? 1;
  return { workers: copies, threadsPerWorker: threadsPerWorker ?? Math.max(1, Math.floor(usableThreads / copies)) };
}

/** More copies on fewer threads each, in steps of two, as far as memory goes. */
export function otherSplits(
  start: Split,
  { workers, threadsPerWorker, usableThreads }: SplitLimits,
  maxWorkers: () => number,
): Split[] {
  if (workers !== undefined || threadsPerWorker !== undefined) {
    return [];
  }
  const most = Math.min(usableThreads, maxWorkers());
  const splits: Split[] = [];
  for (let copies = start.workers * 2; copies <= most; copies *= 2) {
    splits.push({ workers: copies, threadsPerWorker: Math.floor(usableThreads / copies) });
  }
  return splits;
}

/** A split that the CPU limit stops now and then makes everyone wait at once, so it must be worth that. */
export function isWorthwhile(rival: Throughput, best: Throughput, batchGain: number): boolean {
  const needed = batchGain > MUCH_GAIN ? WORTHWHILE_SPLIT : GOOD_ENOUGH;
  const throttling = rival.throttled === best.throttled ? 1 : rival.throttled ? THROTTLED_COST : 1 / THROTTLED_COST;
  return rival.rowsPerSecond > best.rowsPerSecond * needed * throttling;
}
