// Leader election on a Lease, with client-go's rules: one replica leads, the others wait until its lease is over or given back.

import type { Lease } from "kubernetes-types/coordination/v1.js";
import { type Clock, wait } from "./clock.ts";
import { isConflict, LeadershipLostError } from "./errors.ts";
import {
  type Candidate,
  claimed,
  type LeaseSpec,
  type Observed,
  observe,
  released,
  standing,
} from "./leader-election-record.ts";
import { Lifeline } from "./lifeline.ts";
import { leases } from "./resource-types.ts";
import type { KubeClient, Logger } from "./types.ts";

/** `retryPeriodMs` < `renewDeadlineMs` < `leaseDurationMs`, or a leader loses its lease although all is well. */
export interface ElectionTiming {
  /** Others take the lease when its record has not changed for so long. Whole seconds. */
  readonly leaseDurationMs: number;
  /** A leader that could not renew for so long gives up. */
  readonly renewDeadlineMs: number;
  /** Between two tries, of leaders and candidates. */
  readonly retryPeriodMs: number;
}

export interface LeaderElectionOptions {
  /** Its own: requests that wait behind others would cost the lease. */
  readonly client: Pick<KubeClient, "get" | "create" | "patch">;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Of this process and no other, not even of its successor in the same pod. */
  readonly identity: string;
  readonly fieldManager: string;
  readonly timing: ElectionTiming;
  /**
   * Monotonic. Linux' clock stands still while the machine is suspended, as a laptop or a paused virtual machine is: a
   * leader that wakes up from that believes in its lease for up to the renew deadline. A stopped process is noticed.
   */
  readonly clock: Clock;
  /** For the times in the record, which are for people. */
  readonly now: () => Date;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
}

type Round = "leading" | "following" | "failed";

/** Candidates that started together do not stay in step. */
const jitter = 0.2;

export class LeaderElection {
  /** Resolves when this process leads for the first time; never if it never does. */
  readonly elected: Promise<void>;
  readonly #options: LeaderElectionOptions;
  readonly #candidate: Candidate;
  readonly #leaseName: string;
  readonly #elected = Promise.withResolvers<void>();
  #observed: Observed | undefined;
  /** As we wrote it last; undefined when somebody else may have written since. */
  #own: Lease | undefined;
  #holder = "";
  #deadlineMs = Number.NEGATIVE_INFINITY;

  constructor(options: LeaderElectionOptions) {
    const { identity, timing, lease } = options;
    this.#options = options;
    this.#candidate = { identity, leaseDurationSeconds: timing.leaseDurationMs / 1000 };
    this.#leaseName = `${lease.namespace}/${lease.name}`;
    this.elected = this.#elected.promise;
  }

  /**
   * Whether a write may be sent now. Counted from before the last renewal was sent, so that it ends before any other
   * replica can have taken the lease: by the difference between lease duration and renew deadline, which covers what
   * is on its way and clocks that do not run equally fast.
   */
  mayWrite(): boolean {
    return this.#options.clock.nowMs() < this.#deadlineMs;
  }

  /**
   * Waits for the lease and keeps it until the signal aborts, then gives it back; abort only when nothing writes any
   * more. Rejects with `LeadershipLostError` when the lease is lost, and with nothing else.
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#campaign(signal);
      if (!signal.aborted) await this.#lead(signal);
    } finally {
      this.#deadlineMs = Number.NEGATIVE_INFINITY;
    }
    await this.#release();
  }

  async #campaign(signal: AbortSignal): Promise<void> {
    const { clock, timing, random, logger } = this.#options;
    let known = "";
    while (!signal.aborted) {
      const round = await this.#round(timing.renewDeadlineMs / 2);
      // A process that was stopped during the round has won a lease that may be over already.
      if (round === "leading" && this.mayWrite()) {
        logger.info({ lease: this.#leaseName, identity: this.#options.identity }, "leading");
        return this.#elected.resolve();
      }
      if (round === "following" && this.#holder !== known) {
        known = this.#holder;
        logger.info({ lease: this.#leaseName, leader: known }, "following");
      }
      await wait(clock, timing.retryPeriodMs * (1 + jitter * random()), signal);
    }
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const { clock, timing } = this.#options;
    for (;;) {
      await wait(clock, timing.retryPeriodMs, signal);
      if (signal.aborted) return;
      const leftMs = this.#deadlineMs - clock.nowMs();
      // After that nobody knows who else has led: what this process remembers of the cluster may be outdated.
      const round = leftMs > 0 ? await this.#round(Math.min(timing.renewDeadlineMs / 2, leftMs)) : "failed";
      if (round === "following") throw new LeadershipLostError(this.#leaseName, `${this.#holder} holds it`);
      if (!this.mayWrite()) {
        const seconds = timing.renewDeadlineMs / 1000;
        throw new LeadershipLostError(this.#leaseName, `it could not be renewed within ${seconds} s`);
      }
    }
  }

  /** Takes, renews or looks at the lease. Not cut short by a stop: then nobody would know whether it is ours. */
  async #round(timeoutMs: number): Promise<Round> {
    const { clock, logger } = this.#options;
    const lifeline = new Lifeline(clock, timeoutMs);
    try {
      return (await this.#takeOrRenew(lifeline.signal)) ? "leading" : "following";
    } catch (error) {
      this.#own = undefined;
      const fields = { err: error, lease: this.#leaseName };
      if (isConflict(error)) logger.debug(fields, "the lease has changed; it is read again");
      else logger.warn(fields, "the lease could not be read or written");
      return "failed";
    } finally {
      lifeline.end();
    }
  }

  async #takeOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, lease: ref, clock, now, timing } = this.#options;
    const lease = this.#own ?? (await client.get(leases, ref, { signal }));
    if (lease !== undefined && !this.#isOurs(lease)) return false;
    const spec = claimed(lease?.spec, this.#candidate, now());
    const sentMs = clock.nowMs();
    const written = await this.#write(lease, spec, signal);
    this.#own = written;
    this.#observed = observe(undefined, written.spec ?? {}, clock.nowMs());
    this.#deadlineMs = sentMs + timing.renewDeadlineMs;
    return true;
  }

  /** Ours already, or to be taken. */
  #isOurs({ spec = {} }: Lease): boolean {
    const nowMs = this.#options.clock.nowMs();
    this.#observed = observe(this.#observed, spec, nowMs);
    this.#holder = spec.holderIdentity ?? "";
    return standing(spec, this.#observed, nowMs, this.#candidate) !== "held";
  }

  /** Fails with a conflict when the Lease is not the one that was looked at. */
  #write(lease: Lease | undefined, spec: LeaseSpec, signal: AbortSignal): Promise<Lease> {
    const { client, lease: ref, fieldManager } = this.#options;
    const options = { fieldManager, signal };
    if (lease === undefined) return client.create(leases, { metadata: ref, spec }, options);
    const { resourceVersion } = lease.metadata ?? {};
    return client.patch(leases, ref, { metadata: { resourceVersion }, spec }, options);
  }

  async #release(): Promise<void> {
    const { clock, now, timing, logger } = this.#options;
    const lease = this.#own;
    if (lease === undefined) return;
    const lifeline = new Lifeline(clock, timing.renewDeadlineMs / 2);
    try {
      await this.#write(lease, released(now()), lifeline.signal);
      logger.info({ lease: this.#leaseName }, "lease given back");
    } catch (error) {
      logger.warn({ err: error, lease: this.#leaseName }, "the lease could not be given back: it ends by itself");
    } finally {
      lifeline.end();
    }
  }
}
