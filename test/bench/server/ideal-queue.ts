// The latencies of a queue without any overhead: what a server with these workers and run times could do at best.

/** What serves the queue. */
export interface IdealServer {
  readonly workers: number;
  /** Most requests in one run; 1: no batching. */
  readonly maxBatch: number;
  /** Seconds of a run of so many requests that begins while so many workers are busy, itself among them. */
  readonly runSeconds: (requests: number, busyWorkers: number) => number;
}

/**
 * Work-conserving: whenever a worker is free and anyone waits, the worker takes at once all who wait, as many as fit.
 * First come, first served; moving requests and answers takes no time.
 *
 * @param arrivals seconds, ascending
 * @returns seconds from arrival to the end of the run, for each arrival
 */
export function simulateIdealQueue(arrivals: readonly number[], server: IdealServer): number[] {
  const latencies: number[] = [];
  const freeAt = Array.from({ length: server.workers }, () => 0);
  let next = 0;
  while (next < arrivals.length) {
    const worker = freeAt.indexOf(Math.min(...freeAt));
    const startsAt = Math.max(freeAt[worker] ?? 0, arrivals[next] ?? 0);
    const waiting = countUntil(arrivals, next, { until: startsAt, most: server.maxBatch });
    const busy = freeAt.filter((freeFrom, other) => other === worker || freeFrom > startsAt).length;
    const endsAt = startsAt + server.runSeconds(waiting, busy);
    for (const arrival of arrivals.slice(next, next + waiting)) {
      latencies.push(endsAt - arrival);
    }
    freeAt[worker] = endsAt;
    next += waiting;
  }
  return latencies;
}

/** Arrivals from index `from` on that are there at a time, at most so many. */
function countUntil(
  arrivals: readonly number[],
  from: number,
  { until, most }: { until: number; most: number },
): number {
  let count = 0;
  while (count < most && (arrivals[from + count] ?? Number.POSITIVE_INFINITY) <= until) {
    count += 1;
  }
  return count;
}

/** Run times as measured: of runs of so many requests while so many workers were busy all the time. */
export interface MeasuredRuns {
  readonly requests: number;
  readonly busyWorkers: number;
  /** In any order; at least one. */
  readonly seconds: readonly number[];
}

/**
 * Draws run times from measured ones, so that the ideal queue has their jitter as well. For sizes that were not
 * measured the drawn times of the nearest smaller and larger one are interpolated, at the same quantile.
 *
 * @param measured for each number of busy workers at least one size
 * @param random numbers in [0, 1)
 */
export function runTimeSampler(measured: readonly MeasuredRuns[], random: () => number): IdealServer["runSeconds"] {
  const byBusy = new Map<number, MeasuredRuns[]>();
  for (const runs of measured) {
    const seconds = runs.seconds.toSorted((a, b) => a - b);
    byBusy.set(runs.busyWorkers, [...(byBusy.get(runs.busyWorkers) ?? []), { ...runs, seconds }]);
  }
  for (const sizes of byBusy.values()) {
    sizes.sort((a, b) => a.requests - b.requests);
  }
  return (requests, busyWorkers) => {
    const sizes = byBusy.get(busyWorkers);
    if (sizes === undefined) {
      throw new RangeError(`no run was measured with ${busyWorkers} busy workers`);
    }
    return interpolate(sizes, requests, random());
  };
}

function interpolate(sizes: readonly MeasuredRuns[], requests: number, quantile: number): number {
  const above = sizes.find((size) => size.requests >= requests);
  const below = sizes.findLast((size) => size.requests <= requests);
  const [from, to] = [below ?? above, above ?? below];
  if (from === undefined || to === undefined) {
    throw new RangeError("no run was measured");
  }
  const [least, most] = [atQuantile(from.seconds, quantile), atQuantile(to.seconds, quantile)];
  const span = to.requests - from.requests;
  return span === 0 ? least : least + ((requests - from.requests) / span) * (most - least);
}

function atQuantile(sorted: readonly number[], quantile: number): number {
  const value = sorted[Math.floor(quantile * sorted.length)];
  if (value === undefined) {
    throw new RangeError("no run time was measured");
  }
  return value;
}
