// What is known about one service at the moment of a decision.

import type { ServiceSignals } from "./signal.ts";

export interface Observation {
  readonly signals: ServiceSignals;
  /** `spec.replicas` of the Deployment: what is asked for, not what exists, since surge pods of a roll-out are no capacity. */
  readonly currentReplicas: number;
  /** The HPA's minReplicas: the last floor, which outlives a restart of the operator. */
  readonly previousFloor: number;
  /** Pods that have been ready for long enough that Prometheus must know them. */
  readonly expectedPods: number;
  /** Pods that are ready, but so recently that Prometheus may not have scraped them yet. */
  readonly newPods: number;
}

/** Names of a service's ready pods, apart by whether Prometheus must know them already. */
export interface ReadyPods {
  /** Ready for so long that samples are due. */
  readonly expected: readonly string[];
  /** Ready, but so recently that samples may not be there yet. */
  readonly recent: readonly string[];
}
