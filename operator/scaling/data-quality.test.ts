// When signals count as covering a service: row by row, and that nothing missing ever passes for complete.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DataQuality, judgeData } from "./data-quality.ts";
import type { Observation } from "./observation.ts";
import type { ScalingPolicy } from "./policy.ts";
import { type Signal, type UnknownReason, unknownSignal } from "./signal.ts";

const policy: ScalingPolicy = {
  minReplicas: 1,
  maxReplicas: 10,
  targets: { RequestRate: 10, QueueDepth: 4 },
  stabilizationWindowSeconds: 60,
  rateWindowSeconds: 10,
  drainSeconds: 10,
};
const rateOnly: ScalingPolicy = { ...policy, targets: { RequestRate: 10 } };

function from(reportingPods: number): Signal {
  return { known: true, value: 1, reportingPods };
}

function unknown(reason: UnknownReason): Signal {
  return unknownSignal(reason, `because of ${reason}`);
}

interface Row {
  rate: Signal;
  queue: Signal;
  expectedPods: number;
  newPods?: number;
  policy?: ScalingPolicy;
  judged: DataQuality;
}

const rows: Record<string, Row> = {
  "every ready pod reports: complete": {
    rate: from(3),
    queue: from(3),
    expectedPods: 3,
    judged: { quality: "complete" },
  },
  "new pods report already: complete": {
    rate: from(3),
    queue: from(3),
    expectedPods: 2,
    newPods: 1,
    judged: { quality: "complete" },
  },
  "terminating pods still report: complete": {
    rate: from(5),
    queue: from(5),
    expectedPods: 3,
    judged: { quality: "complete" },
  },
  "new pods do not report yet: settling, which is no fault": {
    rate: from(2),
    queue: from(2),
    expectedPods: 2,
    newPods: 1,
    judged: { quality: "settling" },
  },
  "new pods report one signal only: settling": {
    rate: from(2),
    queue: from(3),
    expectedPods: 2,
    newPods: 1,
    judged: { quality: "settling" },
  },
  "no pod is established and nothing is known: starting": {
    rate: unknown("NoSamples"),
    queue: unknown("NoSamples"),
    expectedPods: 0,
    newPods: 2,
    judged: { quality: "starting" },
  },
  "no pod is established, but a new one reports: still starting": {
    rate: from(1),
    queue: from(1),
    expectedPods: 0,
    newPods: 1,
    judged: { quality: "starting" },
  },
  "no pod at all: starting": {
    rate: unknown("NoSamples"),
    queue: unknown("NoSamples"),
    expectedPods: 0,
    judged: { quality: "starting" },
  },
  "established pods, and no samples: a gap": {
    rate: unknown("NoSamples"),
    queue: from(3),
    expectedPods: 3,
    judged: { quality: "gap", reason: "NoSamples", message: "because of NoSamples" },
  },
  "no Prometheus is a gap even before the first pod": {
    rate: unknown("PrometheusUnreachable"),
    queue: unknown("PrometheusUnreachable"),
    expectedPods: 0,
    judged: { quality: "gap", reason: "PrometheusUnreachable", message: "because of PrometheusUnreachable" },
  },
  "a fault of the second signal is not hidden by the first, which may still be missing": {
    rate: unknown("NoSamples"),
    queue: unknown("InvalidSamples"),
    expectedPods: 0,
    judged: { quality: "gap", reason: "InvalidSamples", message: "because of InvalidSamples" },
  },
  "fewer pods report than are ready: a gap that says how many": {
    rate: from(3),
    queue: from(2),
    expectedPods: 3,
    judged: { quality: "gap", reason: "PartialSamples", message: "2 of 3 ready pods report QueueDepth" },
  },
  "a signal that replicas do not follow is not asked for": {
    rate: from(3),
    queue: unknown("StaleSamples"),
    expectedPods: 3,
    policy: rateOnly,
    judged: { quality: "complete" },
  },
};

test.each(Object.entries(rows))("%s", (_sentence, { rate, queue, expectedPods, newPods = 0, ...row }) => {
  expect(judgeData(row.policy ?? policy, observe(rate, queue, { expectedPods, newPods }))).toEqual(row.judged);
});

function observe(rate: Signal, queue: Signal, pods: Pick<Observation, "expectedPods" | "newPods">): Observation {
  return { signals: { RequestRate: rate, QueueDepth: queue }, currentReplicas: 3, previousFloor: 1, ...pods };
}

describe("whatever comes in", () => {
  const reasons = ["PrometheusUnreachable", "PrometheusError", "InvalidSamples", "NoSamples", "StaleSamples"] as const;
  const few = fc.nat({ max: 5 });
  const anySignal = fc.oneof(few.map(from), fc.constantFrom(...reasons).map(unknown));

  test("complete means that every ready pod reports every signal", () => {
    fc.assert(
      fc.property(anySignal, anySignal, few, few, (rate, queue, expectedPods, newPods) => {
        const { quality } = judgeData(policy, observe(rate, queue, { expectedPods, newPods }));
        fc.pre(quality === "complete");
        expect(expectedPods).toBeGreaterThan(0);
        for (const signal of [rate, queue]) {
          expect(signal.known ? signal.reportingPods : -1).toBeGreaterThanOrEqual(expectedPods + newPods);
        }
      }),
    );
  });

  test("an unknown signal is a gap once a pod is established", () => {
    fc.assert(
      fc.property(
        anySignal,
        fc.constantFrom(...reasons),
        fc.integer({ min: 1, max: 5 }),
        (rate, reason, expectedPods) => {
          const judged = judgeData(policy, observe(rate, unknown(reason), { expectedPods, newPods: 0 }));
          expect(judged.quality).toBe("gap");
        },
      ),
    );
  });

  test("the order of the metrics in the spec changes no judgement, but for which of two faults is named", () => {
    const reversed: ScalingPolicy = { ...policy, targets: { QueueDepth: 4, RequestRate: 10 } };
    fc.assert(
      fc.property(anySignal, anySignal, few, few, (rate, queue, expectedPods, newPods) => {
        const observed = observe(rate, queue, { expectedPods, newPods });
        expect(judgeData(reversed, observed).quality).toBe(judgeData(policy, observed).quality);
      }),
    );
  });
});
