// Counts requests, each exactly once: sent, then answered, rejected or lost; and keeps the latencies of the answered ones.

/** How a request ended. Rejected is a 503: the server said "not now". Lost is every other end without a right answer. */
export type Outcome = "answered" | "rejected" | "lost";

export interface Counts {
  readonly sent: number;
  readonly answered: number;
  readonly rejected: number;
  readonly lost: number;
}

/** What the load generator reports each second. Times are milliseconds since the generator's start. */
export interface LoadReport extends Counts {
  readonly atMs: number;
  readonly ratePerSecond: number;
  /** Sent and not yet ended. */
  readonly inFlight: number;
  /** Latency of the answers of the last seconds, from the scheduled arrival on; absent without answers. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Counts of the requests that arrived since the rate was last set. */
  readonly phase: Counts;
  /** How late the generator itself sent a request, at most, since the start. Above 50 ms the machine is too busy to trust the figures. */
  readonly latestSendMs: number;
  /** Why requests were lost, with counts. */
  readonly lossReasons: Readonly<Record<string, number>>;
}

/** How far back the reported percentiles look. At 2 requests per second fewer seconds would hold no p99 at all. */
const percentileWindowMs = 5000;

interface MutableCounts {
  sent: number;
  answered: number;
  rejected: number;
  lost: number;
}

/** The books of one load generator. */
export class RequestAccount {
  readonly #total = zero();
  #phase = zero();
  readonly #lossReasons = new Map<string, number>();
  #answers: { atMs: number; latencyMs: number }[] = [];
  #latestSendMs = 0;

  /** Requests sent from now on belong to a new phase; those under way still end in theirs. */
  startPhase(): void {
    this.#phase = zero();
  }

  /**
   * Notes that a request was sent.
   * @returns what to call when it has ended; only the first call counts, so that a time-out and a late error are one end.
   */
  send(scheduledMs: number, nowMs: number): (outcome: Outcome, endMs: number, reason?: string) => void {
    const phase = this.#phase;
    let ended = false;
    phase.sent++;
    this.#total.sent++;
    this.#latestSendMs = Math.max(this.#latestSendMs, nowMs - scheduledMs);
    return (outcome, endMs, reason = "unknown") => {
      if (ended) {
        return;
      }
      ended = true;
      phase[outcome]++;
      this.#total[outcome]++;
      if (outcome === "answered") {
        this.#answers.push({ atMs: endMs, latencyMs: endMs - scheduledMs });
      } else if (outcome === "lost") {
        this.#lossReasons.set(reason, (this.#lossReasons.get(reason) ?? 0) + 1);
      }
    };
  }

  get inFlight(): number {
    const { sent, answered, rejected, lost } = this.#total;
    return sent - answered - rejected - lost;
  }

  report(atMs: number, ratePerSecond: number): LoadReport {
    this.#answers = this.#answers.filter((answer) => answer.atMs > atMs - percentileWindowMs);
    const latencies = this.#answers.map((answer) => answer.latencyMs).toSorted((a, b) => a - b);
    const p50Ms = percentile(latencies, 50);
    const p99Ms = percentile(latencies, 99);
    return {
      atMs: Math.round(atMs),
      ratePerSecond,
      ...this.#total,
      inFlight: this.inFlight,
      ...(p50Ms !== undefined && p99Ms !== undefined && { p50Ms: Math.round(p50Ms), p99Ms: Math.round(p99Ms) }),
      phase: { ...this.#phase },
      latestSendMs: Math.round(this.#latestSendMs),
      lossReasons: Object.fromEntries(this.#lossReasons),
    };
  }
}

/**
 * The smallest value that at least `percent` of the values do not exceed (nearest rank): an observed value, never one in between.
 * @param sorted ascending
 * @returns undefined for no values
 */
export function percentile(sorted: readonly number[], percent: number): number | undefined {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1];
}

function zero(): MutableCounts {
  return { sent: 0, answered: 0, rejected: 0, lost: 0 };
}
