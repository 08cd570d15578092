// What each signal asks for, and what the stabilisation window remembers of it.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MetricType } from "../api/inference-service-spec.ts";
import type { ScalingPolicy } from "./policy.ts";
import { proposeReplicas } from "./proposals.ts";
import { type Signal, unknownSignal } from "./signal.ts";

const both = { RequestRate: 10, QueueDepth: 4 };
const queueOnly = { QueueDepth: 4 };
const rateOnly = { RequestRate: 10 };

interface Row {
  targets: Partial<Record<MetricType, number>>;
  rate?: number;
  queue?: number;
  currentReplicas?: number;
  bySignal: Partial<Record<MetricType, number>>;
  steady: number | undefined;
}

function propose({
  targets,
  rate,
  queue,
  currentReplicas = 3,
}: Pick<Row, "targets" | "rate" | "queue" | "currentReplicas">) {
  const policy: ScalingPolicy = {
    minReplicas: 1,
    maxReplicas: 10,
    targets,
    stabilizationWindowSeconds: 60,
    rateWindowSeconds: 10,
    drainSeconds: 30,
  };
  return proposeReplicas(policy, { RequestRate: signal(rate), QueueDepth: signal(queue) }, currentReplicas);
}

function signal(value: number | undefined): Signal {
  return value === undefined ? unknownSignal("NoSamples", "none") : { known: true, value, reportingPods: 3 };
}

const rows: Record<string, Row> = {
  "a rate is divided by its target, rounded up": {
    targets: rateOnly,
    rate: 25,
    bySignal: { RequestRate: 3 },
    steady: 3,
  },
  "a rate of exactly three targets asks for three": {
    targets: { RequestRate: 0.1 },
    rate: 0.1 + 0.2,
    bySignal: { RequestRate: 3 },
    steady: 3,
  },
  "no rate asks for nothing": { targets: rateOnly, rate: 0, bySignal: { RequestRate: 0 }, steady: 0 },
  "a rate that is unknown asks for nothing, and is not remembered as 0": {
    targets: rateOnly,
    bySignal: {},
    steady: undefined,
  },
  "a signal without a target is not asked": {
    targets: rateOnly,
    rate: 5,
    queue: 99,
    bySignal: { RequestRate: 1 },
    steady: 1,
  },
  "a short queue asks for queue / target": {
    targets: both,
    rate: 40,
    queue: 18,
    bySignal: { RequestRate: 4, QueueDepth: 5 },
    steady: 4,
  },
  "a long queue asks for what serves the arrivals and drains it within 30 s": {
    targets: both,
    rate: 40,
    queue: 2200,
    bySignal: { RequestRate: 4, QueueDepth: 12 },
    steady: 4,
  },
  "a queue without arrivals asks for what drains it": {
    targets: both,
    rate: 0,
    queue: 900,
    bySignal: { RequestRate: 0, QueueDepth: 3 },
    steady: 0,
  },
  "a queue whose arrivals are unknown at most doubles the replicas": {
    targets: both,
    queue: 900,
    bySignal: { QueueDepth: 6 },
    steady: undefined,
  },
  "without a rate target the queue at most doubles the replicas, and is what is remembered": {
    targets: queueOnly,
    rate: 40,
    queue: 900,
    bySignal: { QueueDepth: 6 },
    steady: 6,
  },
  "doubling starts from one replica": {
    targets: queueOnly,
    queue: 900,
    currentReplicas: 0,
    bySignal: { QueueDepth: 2 },
    steady: 2,
  },
  "a queue that is unknown leaves the rate alone": { targets: both, rate: 25, bySignal: { RequestRate: 3 }, steady: 3 },
};

test.each(Object.entries(rows))("%s", (_sentence, { bySignal, steady, ...input }) => {
  expect(propose(input)).toEqual({ bySignal, steady });
});

describe("whatever is measured", () => {
  const load = fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e6, noNaN: true }));
  const target = fc.double({ min: 0.001, max: 1e4, noNaN: true });

  test("the replicas that a rate asks for carry it, and one fewer would not", () => {
    fc.assert(
      fc.property(load, target, (rate, perReplica) => {
        const replicas = propose({ targets: { RequestRate: perReplica }, rate }).bySignal.RequestRate!;
        expect(Number.isInteger(replicas)).toBe(true);
        expect(replicas * perReplica).toBeGreaterThanOrEqual(rate * (1 - 1e-9));
        if (replicas > 0) expect((replicas - 1) * perReplica).toBeLessThan(rate);
      }),
    );
  });

  test("the replicas that a queue asks for bring it to its target, or serve the arrivals and drain it in time", () => {
    fc.assert(
      fc.property(load, load, target, target, (rate, queue, perSecond, waiting) => {
        const { QueueDepth: replicas } = propose({
          targets: { RequestRate: perSecond, QueueDepth: waiting },
          rate,
          queue,
        }).bySignal;
        const within = replicas! * waiting >= queue * (1 - 1e-9);
        const drains = replicas! * perSecond >= (rate + queue / 30) * (1 - 1e-9);
        expect(within || drains).toBe(true);
      }),
    );
  });
});
