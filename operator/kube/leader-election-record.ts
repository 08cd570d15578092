// What a Lease says about who leads, and what a candidate writes into it. Pure: times are arguments.

import type { Lease } from "kubernetes-types/coordination/v1.js";
import { microTime } from "./micro-time.ts";

export type LeaseSpec = NonNullable<Lease["spec"]>;

/** A record, and since when this process has seen it like that, by its own monotonic clock. */
export interface Observed {
  readonly record: string;
  readonly sinceMs: number;
}

/** Who a candidate is, and for how long a holder's silence must last before others may take the lease. */
export interface Candidate {
  readonly identity: string;
  readonly leaseDurationSeconds: number;
}

export type Standing = "ours" | "free" | "held";

/** A record that has not changed keeps the time at which it was first seen: only a change proves that its holder lives. */
export function observe(previous: Observed | undefined, spec: LeaseSpec, nowMs: number): Observed {
  const record = JSON.stringify(spec);
  return previous?.record === record ? previous : { record, sinceMs: nowMs };
}

/**
 * Whose the lease is. The times in the record were made by another machine's clock and are not looked at: a lease is
 * over when its record has not changed, for as long as it says, on our clock.
 * @example a record of 15 s, first seen at 100 s: held at 114 s, free at 115 s
 */
export function standing(spec: LeaseSpec, observed: Observed, nowMs: number, candidate: Candidate): Standing {
  if (!spec.holderIdentity) return "free";
  if (spec.holderIdentity === candidate.identity) return "ours";
  const leaseSeconds = spec.leaseDurationSeconds ?? candidate.leaseDurationSeconds;
  return nowMs < observed.sinceMs + leaseSeconds * 1000 ? "held" : "free";
}

/** The record of a holder that has just renewed or, when another one or nobody held the lease, taken it. */
export function claimed(before: LeaseSpec | undefined, candidate: Candidate, at: Date): LeaseSpec {
  const { identity, leaseDurationSeconds } = candidate;
  const renewTime = microTime(at);
  const held = before?.holderIdentity === identity;
  return {
    holderIdentity: identity,
    leaseDurationSeconds,
    acquireTime: (held ? before.acquireTime : undefined) ?? renewTime,
    renewTime,
    leaseTransitions: before === undefined ? 0 : (before.leaseTransitions ?? 0) + (held ? 0 : 1),
  };
}

/** The record of a lease that nobody holds: the next candidate that looks takes it. */
export function released(at: Date): LeaseSpec {
  const now = microTime(at);
  return { holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
}
