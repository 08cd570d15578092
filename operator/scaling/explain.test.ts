// The sentence that people read in the status, in events and in the log: it must be true, and read well.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide, initialState, type ScalingState } from "./decide.ts";
import { explain } from "./explain.ts";
import type { Observation } from "./observation.ts";
import type { ScalingPolicy } from "./policy.ts";
import { type Signal, unknownSignal } from "./signal.ts";

const nowMs = 6_000_000;
const policy: ScalingPolicy = {
  minReplicas: 1,
  maxReplicas: 10,
  targets: { RequestRate: 10, QueueDepth: 4 },
  stabilizationWindowSeconds: 60,
  rateWindowSeconds: 10,
  drainSeconds: 10,
};
/** Complete data for so long that lowering is allowed. */
const settled: ScalingState = { history: [], coveredSinceMs: 0 };

interface Situation {
  rate?: Signal;
  queue?: Signal;
  pods?: Partial<Observation>;
  policy?: Partial<ScalingPolicy>;
  state?: ScalingState;
}

function known(value: number, reportingPods = 3): Signal {
  return { known: true, value, reportingPods };
}

/** What is said about the decision that is really made. */
function sentence({ rate = known(25), queue = known(0), pods, policy: overrides, state = settled }: Situation): string {
  const asked = { ...policy, ...overrides };
  const signals = { RequestRate: rate, QueueDepth: queue };
  const observed = { signals, currentReplicas: 3, previousFloor: 1, expectedPods: 3, newPods: 0, ...pods };
  return explain(asked, signals, decide(asked, observed, state, nowMs));
}

const refused = unknownSignal("PrometheusUnreachable", "connection refused");

describe("the sentence", () => {
  test.each<[string, Situation, string]>([
    ["a rate that asks for what there is", {}, "RequestRate 25/s at 10/s per replica asks for 3"],
    ["a rate with digits", { rate: known(42.537) }, "RequestRate 42.6/s at 10/s per replica asks for 5"],
    [
      "a large rate needs no digits",
      { rate: known(81.04e3), policy: { maxReplicas: 1e4 } },
      "RequestRate 81040/s at 10/s per replica asks for 8104",
    ],
    [
      "a rate below one keeps its digits",
      { rate: known(0.0213) },
      "RequestRate 0.022/s at 10/s per replica asks for 1",
    ],
    [
      "a target below one keeps its digits",
      { rate: known(0.2), policy: { targets: { RequestRate: 0.05 } } },
      "RequestRate 0.2/s at 0.05/s per replica asks for 4",
    ],
    [
      "a little more than three replicas take is rounded up, as the replicas are",
      { rate: known(30.02) },
      "RequestRate 30.1/s at 10/s per replica asks for 4",
    ],
    ["a queue, which has no unit", { rate: known(48), queue: known(24) }, "QueueDepth 24 at 4 per replica asks for 6"],
    [
      "a long queue, which is not divided plainly",
      { rate: known(40), queue: known(2200), policy: { maxReplicas: 100 } },
      "QueueDepth 2200 at 4 per replica asks for 26, which drain it within 10 s",
    ],
    [
      "a queue that asks for one replica less than queue / target",
      { rate: known(40), queue: known(22) },
      "QueueDepth 22 at 4 per replica asks for 5, which drain it within 10 s",
    ],
    [
      "a long queue alone",
      { queue: known(2200), policy: { targets: { QueueDepth: 4 } } },
      "QueueDepth 2200 at 4 per replica asks for 6, at most twice the present replicas",
    ],
    [
      "more than allowed",
      { rate: known(250) },
      "RequestRate 250/s at 10/s per replica asks for 25; maxReplicas allows 10",
    ],
    [
      "no load",
      { rate: known(0), policy: { minReplicas: 2 } },
      "RequestRate 0/s at 10/s per replica asks for 0; minReplicas is 2",
    ],
    [
      "what was needed a moment ago",
      { rate: known(5), state: { ...settled, history: [{ atMs: nowMs - 1000, replicas: 7 }] } },
      "RequestRate 5/s at 10/s per replica asks for 1; 7 were needed within the last 60 s",
    ],
    [
      "after a restart",
      { rate: known(5), state: initialState },
      "RequestRate 5/s at 10/s per replica asks for 1; not lowered below 3 until the windows are full again",
    ],
    [
      "pods that became ready a moment ago",
      { rate: known(5), pods: { newPods: 2, currentReplicas: 5 } },
      "RequestRate 5/s at 10/s per replica asks for 1; not lowered below 5 until the new pods report",
    ],
    [
      "new pods, and what was needed a moment ago",
      {
        rate: known(5),
        pods: { newPods: 2, currentReplicas: 5 },
        state: { ...settled, history: [{ atMs: nowMs - 1000, replicas: 5 }] },
      },
      "RequestRate 5/s at 10/s per replica asks for 1; 5 were needed within the last 60 s",
    ],
    [
      "the first pods of a service",
      {
        rate: unknownSignal("NoSamples", "none"),
        queue: unknownSignal("NoSamples", "none"),
        pods: { expectedPods: 0, newPods: 1 },
      },
      "no signal yet: replicas stay",
    ],
    ["no Prometheus", { rate: refused, queue: refused }, "signals are unknown (connection refused): replicas stay"],
    [
      "pods that do not report",
      { rate: known(55, 2) },
      "signals are incomplete (2 of 3 ready pods report RequestRate): replicas may rise but not fall; what is known: RequestRate 55/s at 10/s per replica asks for 6",
    ],
    [
      "pods that do not report, and more than allowed",
      { rate: known(550, 2) },
      "signals are incomplete (2 of 3 ready pods report RequestRate): replicas may rise but not fall; what is known: RequestRate 550/s at 10/s per replica asks for 55; maxReplicas allows 10",
    ],
    [
      "one signal of two",
      { rate: refused, queue: known(20) },
      "signals are incomplete (connection refused): replicas may rise but not fall; what is known: QueueDepth 20 at 4 per replica asks for 5",
    ],
  ])("%s", (_sentence, situation, expected) => {
    expect(sentence(situation)).toBe(expected);
  });
});

test("the numbers of a sentence agree: value / target, rounded up, is what it says is asked for", () => {
  const tenths = fc.integer({ min: 1, max: 5000 }).map((tenth) => tenth / 10);
  const rate = fc.double({ min: 0, max: 99_999, noNaN: true });
  fc.assert(
    fc.property(rate, tenths, (value, target) => {
      const said = sentence({ rate: known(value), policy: { targets: { RequestRate: target }, maxReplicas: 1e9 } });
      const [, shown, per, asked] =
        /^RequestRate ([\d.e-]+)\/s at ([\d.]+)\/s per replica asks for (\d+)/.exec(said) ?? [];
      expect(Number(per)).toBe(target);
      expect(Number(shown)).toBeGreaterThanOrEqual(value * (1 - 1e-9));
      expect(Number(shown)).toBeLessThanOrEqual(value * 1.01 + 0.001);
      expect(Number(asked)).toBeLessThanOrEqual(Math.ceil((Number(shown) / target) * (1 + 1e-9)));
    }),
  );
});
