// Whether this replica of the operator leads: by election on a Lease, or always when it was told that it is alone.

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { KubeConfig } from "@kubernetes/client-node";
import { fieldManager } from "../api/group.ts";
import type { RunConfig } from "../config.ts";
import { createKubeClient } from "../kube/client.ts";
import { aborted, systemClock } from "../kube/clock.ts";
import { LeaderElection } from "../kube/leader-election.ts";
import type { MetricDefinition } from "../kube/metrics.ts";
import type { Logger } from "../observability/logger.ts";
import type { MetricRecorder } from "../observability/metrics.ts";

const leaseName = "plimsoll-operator";

export const leadershipMetrics = {
  leader_election_master_status: {
    type: "gauge",
    help: "1 while this replica holds the lease of this name and acts, 0 while another one does.",
    labels: ["name"],
  },
} as const satisfies Record<string, MetricDefinition>;

export interface Leadership {
  /** Whether this replica may change anything in the cluster now. */
  readonly mayWrite: () => boolean;
  /** Resolves when this replica leads for the first time. */
  readonly elected: Promise<void>;
  /** Ends when the signal aborts, which is to be when nothing writes any more; rejects when leadership is lost. */
  run(signal: AbortSignal): Promise<void>;
}

interface LeadershipParts {
  readonly kubeConfig: KubeConfig;
  /** See `makeIdentity`. */
  readonly identity: string;
  readonly userAgent: string;
  readonly logger: Logger;
  readonly metrics: MetricRecorder;
}

/** Names this process: a container that starts again in the same pod is another candidate. */
export function makeIdentity(): string {
  return `${hostname()}_${randomUUID()}`;
}

export function createLeadership(config: RunConfig, parts: LeadershipParts): Leadership {
  const { metrics } = parts;
  const report = (status: 0 | 1) => metrics.set("leader_election_master_status", { name: leaseName }, status);
  report(0);
  if (!config.leaderElect) {
    report(1);
    return { mayWrite: () => true, elected: Promise.resolve(), run: aborted };
  }
  const renewDeadlineMs = config.leaderElectRenewDeadline * 1000;
  const client = createKubeClient({
    kubeConfig: parts.kubeConfig,
    userAgent: parts.userAgent,
    requestTimeoutMs: renewDeadlineMs / 2,
  });
  const election = new LeaderElection({
    client,
    lease: { namespace: config.namespace, name: leaseName },
    identity: parts.identity,
    fieldManager,
    timing: {
      leaseDurationMs: config.leaderElectLeaseDuration * 1000,
      renewDeadlineMs,
      retryPeriodMs: config.leaderElectRetryPeriod * 1000,
    },
    clock: systemClock,
    now: () => new Date(),
    random: Math.random,
    logger: parts.logger,
  });
  return {
    mayWrite: () => election.mayWrite(),
    elected: election.elected.then(() => report(1)),
    run: async (signal) => {
      try {
        await election.run(signal);
      } finally {
        report(0);
        client.close();
      }
    },
  };
}
