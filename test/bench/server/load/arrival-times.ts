// When the requests of an open loop are due: the same for the load generator and for the ideal queue beside it.

import { Arrivals, seededRandom } from "../../../demo/arrivals.ts";

export interface ArrivalPlan {
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly seed: number;
}

/** Seconds from the start of the load, ascending: a Poisson process. */
export function arrivalTimes({ ratePerSecond, seconds, seed }: ArrivalPlan): number[] {
  const arrivals = new Arrivals(seededRandom(seed));
  arrivals.setRate(ratePerSecond, 0);
  return arrivals.take(seconds * 1000).map((ms) => ms / 1000);
}
