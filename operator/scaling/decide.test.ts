// Freezes what the policy decides, row by row, and the properties that hold for every input.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide, initialState, type ScalingState } from "./decide.ts";
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
const minute = 60_000;
const nowMs = 100 * minute;
/** Complete data for so long that lowering is allowed. */
const settled: ScalingState = { history: [], coveredSinceMs: nowMs - 10 * minute };

function known(value: number, reportingPods = 3): Signal {
  return { known: true, value, reportingPods };
}

function observe(overrides: Partial<Observation> & { rate?: Signal; queue?: Signal } = {}): Observation {
  const { rate = known(25), queue = known(0), ...rest } = overrides;
  return {
    signals: { RequestRate: rate, QueueDepth: queue },
    currentReplicas: 3,
    previousFloor: 1,
    expectedPods: 3,
    newPods: 0,
    ...rest,
  };
}

interface Row {
  observed: Observation;
  state?: ScalingState;
  policy?: Partial<ScalingPolicy>;
  expected: { desiredReplicas: number; floor?: number; winner?: string; limit?: string; quality?: string };
}

const rows: Record<string, Row> = {
  "a steady load keeps what it needs": {
    observed: observe(),
    expected: { desiredReplicas: 3, winner: "RequestRate", quality: "complete" },
  },
  "a rate exactly at the target of n replicas asks for n, not n + 1": {
    observed: observe({ rate: known(30) }),
    expected: { desiredReplicas: 3 },
  },
  "a tenfold rate asks for all replicas at once and is limited by maxReplicas": {
    observed: observe({ rate: known(250) }),
    expected: { desiredReplicas: 10, floor: 25, limit: "maxReplicas" },
  },
  "no load at all leaves minReplicas": {
    observed: observe({ rate: known(0) }),
    state: settled,
    policy: { minReplicas: 2 },
    expected: { desiredReplicas: 2, limit: "minReplicas" },
  },
  "a backlog asks for what drains it in time, not for backlog / target": {
    observed: observe({ rate: known(40), queue: known(2_200) }),
    policy: { maxReplicas: 1000 },
    expected: { desiredReplicas: 26, winner: "QueueDepth" },
  },
  "a short queue asks for queue / target": {
    observed: observe({ rate: known(35), queue: known(17) }),
    expected: { desiredReplicas: 4, winner: "RequestRate" },
  },
  "without a rate target a backlog at most doubles the replicas": {
    observed: observe({ queue: known(1000) }),
    policy: { targets: { QueueDepth: 4 } },
    expected: { desiredReplicas: 6, winner: "QueueDepth" },
  },
  "a fallen load is lowered once the peak has left the stabilisation window": {
    observed: observe({ rate: known(5) }),
    state: { ...settled, history: [{ atMs: nowMs - 61_000, replicas: 3 }] },
    expected: { desiredReplicas: 1 },
  },
  "a fallen load keeps the highest count needed within the stabilisation window": {
    observed: observe({ rate: known(5) }),
    state: { ...settled, history: [{ atMs: nowMs - 59_000, replicas: 3 }] },
    expected: { desiredReplicas: 3, limit: "floor" },
  },
  "right after a start nothing is lowered": {
    observed: observe({ rate: known(1), currentReplicas: 7 }),
    state: initialState,
    expected: { desiredReplicas: 7, limit: "floor" },
  },
  "right after a gap nothing is lowered, although the first rate is low": {
    observed: observe({ rate: known(1), currentReplicas: 7 }),
    state: { history: [], coveredSinceMs: nowMs - 69_000 },
    expected: { desiredReplicas: 7 },
  },
  "after a gap it is lowered once the window is full and the stabilisation time has passed": {
    observed: observe({ rate: known(1), currentReplicas: 7 }),
    state: { history: [], coveredSinceMs: nowMs - 70_000 },
    expected: { desiredReplicas: 1 },
  },
  "unknown signals hold": {
    observed: observe({ rate: unknown("PrometheusUnreachable"), queue: unknown("PrometheusUnreachable") }),
    expected: { desiredReplicas: 3, quality: "gap" },
  },
  "an unknown rate does not keep a known queue from raising": {
    observed: observe({ rate: unknown("StaleSamples"), queue: known(20) }),
    expected: { desiredReplicas: 5, winner: "QueueDepth", quality: "gap" },
  },
  "a known queue of 0 does not lower while the rate is unknown": {
    observed: observe({ rate: unknown("InvalidSamples") }),
    expected: { desiredReplicas: 3, quality: "gap" },
  },
  "partial data may raise": {
    observed: observe({ rate: known(55, 2) }),
    expected: { desiredReplicas: 6, quality: "gap" },
  },
  "partial data does not lower": {
    observed: observe({ rate: known(2, 2) }),
    expected: { desiredReplicas: 3, quality: "gap" },
  },
  "a pod that became ready a moment ago blocks lowering and is no gap": {
    observed: observe({ rate: known(5), newPods: 1, currentReplicas: 4 }),
    expected: { desiredReplicas: 4, quality: "settling" },
  },
  "no series before the first pod is ready is a start, not a gap": {
    observed: observe({
      rate: unknown("NoSamples"),
      queue: unknown("NoSamples"),
      currentReplicas: 1,
      expectedPods: 0,
      newPods: 1,
    }),
    expected: { desiredReplicas: 1, quality: "starting" },
  },
  "missing signals raise to what the spec wants, once they have been missing for long enough": {
    observed: observe({ rate: unknown("PrometheusUnreachable"), queue: unknown("PrometheusUnreachable") }),
    state: { history: [], gapSinceMs: nowMs - 30_000 },
    policy: { onMissingMetrics: { replicas: 6, afterSeconds: 30 } },
    expected: { desiredReplicas: 6, floor: 6, quality: "gap" },
  },
  "signals that were missing for a moment raise nothing": {
    observed: observe({ rate: unknown("PrometheusUnreachable") }),
    state: { history: [], gapSinceMs: nowMs - 29_999 },
    policy: { onMissingMetrics: { replicas: 6, afterSeconds: 30 } },
    expected: { desiredReplicas: 3, quality: "gap" },
  },
  "missing signals lower nothing, even where the spec wants fewer": {
    observed: observe({ rate: unknown("NoSamples"), currentReplicas: 8 }),
    state: { history: [], gapSinceMs: nowMs - minute },
    policy: { onMissingMetrics: { replicas: 6, afterSeconds: 0 } },
    expected: { desiredReplicas: 8, quality: "gap" },
  },
  "a start is no gap: nothing is missing yet": {
    observed: observe({ rate: unknown("NoSamples"), queue: unknown("NoSamples"), currentReplicas: 1, expectedPods: 0 }),
    policy: { onMissingMetrics: { replicas: 6, afterSeconds: 0 } },
    expected: { desiredReplicas: 1, quality: "starting" },
  },
  "the last floor outlives a restart of the operator": {
    observed: observe({ rate: unknown("NoSamples"), currentReplicas: 4, previousFloor: 6 }),
    state: initialState,
    expected: { desiredReplicas: 6 },
  },
};

function unknown(reason: UnknownReason): Signal {
  return unknownSignal(reason, "for a reason");
}

describe("decide", () => {
  test.each(Object.entries(rows))("%s", (_sentence, row) => {
    const decision = decide({ ...policy, ...row.policy }, row.observed, row.state ?? settled, nowMs);
    const { quality, ...expected } = row.expected;
    expect(decision).toMatchObject(expected);
    if (quality !== undefined) expect(decision.data.quality).toBe(quality);
  });

  test("serves a backlog capped, so that the HPA asks for what decide asks for", () => {
    const { proposals, servedValues } = decide(policy, observe({ queue: known(2_200) }), settled, nowMs);
    expect(Math.ceil((servedValues.QueueDepth ?? 0) / 4)).toBe(proposals.QueueDepth);
  });

  test("serves no value until the window is full after a gap", () => {
    const before = { history: [], coveredSinceMs: nowMs - 9_999 };
    const after = { history: [], coveredSinceMs: nowMs - 10_000 };
    expect(decide(policy, observe(), before, nowMs).servedValues).toEqual({});
    expect(decide(policy, observe(), after, nowMs).servedValues).toEqual({ RequestRate: 25, QueueDepth: 0 });
  });

  test("serves no value during a gap", () => {
    expect(decide(policy, observe({ rate: known(25, 1) }), settled, nowMs).servedValues).toEqual({});
  });

  test("a gap that ends starts the time of missing signals anew", () => {
    const withFallback = { ...policy, onMissingMetrics: { replicas: 9, afterSeconds: 10 } };
    const gap = observe({ rate: unknown("PrometheusError") });
    const first = decide(withFallback, gap, settled, nowMs);
    const between = decide(withFallback, observe(), first.state, nowMs + 5000);
    const second = decide(withFallback, gap, between.state, nowMs + 10_000);
    expect([first, between, second].map(({ desiredReplicas }) => desiredReplicas)).toEqual([3, 3, 3]);
    expect(decide(withFallback, gap, second.state, nowMs + 20_000).desiredReplicas).toBe(9);
  });

  test("a gap starts the waiting time anew", () => {
    const gap = decide(policy, observe({ rate: unknown("PrometheusError") }), settled, nowMs);
    const after = decide(policy, observe({ rate: known(1) }), gap.state, nowMs + 1000);
    expect(after).toMatchObject({ desiredReplicas: 3, recovering: true, servedValues: {} });
  });

  test("time without decisions is a gap: a paused process does not lower when it wakes", () => {
    const state = { ...settled, decidedAtMs: nowMs - 10_001 };
    expect(decide(policy, observe({ rate: known(1) }), state, nowMs)).toMatchObject({
      desiredReplicas: 3,
      recovering: true,
      servedValues: {},
    });
    const kept = { ...settled, decidedAtMs: nowMs - 10_000 };
    expect(decide(policy, observe({ rate: known(1) }), kept, nowMs).desiredReplicas).toBe(1);
  });

  test("a clock that went back is a gap", () => {
    const state = { ...settled, decidedAtMs: nowMs + 1 };
    expect(decide(policy, observe({ rate: known(1) }), state, nowMs).recovering).toBe(true);
  });

  test("without a rate target a backlog doubles what is ready, not what was asked for a moment ago", () => {
    let state = settled;
    let currentReplicas = 1;
    for (let tick = 0; tick < 10; tick++) {
      const observed = observe({ queue: known(2200, 1), expectedPods: 1, currentReplicas });
      const decision = decide(
        { ...policy, maxReplicas: 1000, targets: { QueueDepth: 4 } },
        observed,
        state,
        nowMs + tick,
      );
      state = decision.state;
      currentReplicas = decision.desiredReplicas;
    }
    expect(currentReplicas).toBe(2);
  });

  test("forgets what has left the stabilisation window", () => {
    let state = settled;
    for (let second = 0; second < 300; second++) {
      state = decide(policy, observe(), state, nowMs + second * 1000).state;
    }
    expect(state.history.length).toBeLessThanOrEqual(60);
  });
});

const anySignal: fc.Arbitrary<Signal> = fc.oneof(
  fc.record({
    known: fc.constant(true as const),
    value: fc.double({ min: 0, max: 1e9, noNaN: true }),
    reportingPods: fc.nat(20),
  }),
  fc.constantFrom<UnknownReason>("PrometheusUnreachable", "InvalidSamples", "NoSamples", "StaleSamples").map(unknown),
);
const anyObservation: fc.Arbitrary<Observation> = fc.record({
  signals: fc.record({ RequestRate: anySignal, QueueDepth: anySignal }),
  currentReplicas: fc.integer({ min: 0, max: 30 }),
  previousFloor: fc.integer({ min: 1, max: 30 }),
  expectedPods: fc.nat(20),
  newPods: fc.nat(5),
});
const anyPolicy: fc.Arbitrary<ScalingPolicy> = fc
  .record({
    minReplicas: fc.integer({ min: 1, max: 30 }),
    extra: fc.nat(30),
    rate: fc.option(fc.double({ min: 0.001, max: 1000, noNaN: true }), { nil: undefined }),
    queue: fc.double({ min: 0.001, max: 1000, noNaN: true }),
    stabilizationWindowSeconds: fc.nat(3600),
    onMissingMetrics: fc.option(fc.record({ replicas: fc.integer({ min: 1, max: 60 }), afterSeconds: fc.nat(120) }), {
      nil: undefined,
    }),
  })
  .map(({ minReplicas, extra, rate, queue, stabilizationWindowSeconds, onMissingMetrics }) => ({
    ...(onMissingMetrics === undefined ? {} : { onMissingMetrics }),
    minReplicas,
    maxReplicas: minReplicas + extra,
    targets: rate === undefined ? { QueueDepth: queue } : { RequestRate: rate, QueueDepth: queue },
    stabilizationWindowSeconds,
    rateWindowSeconds: 10,
    drainSeconds: 10,
  }));
const anyState: fc.Arbitrary<ScalingState> = fc.record({
  history: fc.array(fc.record({ atMs: fc.integer({ min: 0, max: nowMs }), replicas: fc.nat(40) }), { maxLength: 5 }),
  coveredSinceMs: fc.option(fc.integer({ min: 0, max: nowMs }), { nil: undefined }),
  gapSinceMs: fc.option(fc.integer({ min: 0, max: nowMs }), { nil: undefined }),
});

describe("properties of decide", () => {
  test("the result is a whole number within the bounds", () => {
    fc.assert(
      fc.property(anyPolicy, anyObservation, anyState, (p, observed, state) => {
        const { desiredReplicas } = decide(p, observed, state, nowMs);
        expect(Number.isInteger(desiredReplicas)).toBe(true);
        expect(desiredReplicas).toBeGreaterThanOrEqual(p.minReplicas);
        expect(desiredReplicas).toBeLessThanOrEqual(p.maxReplicas);
      }),
    );
  });

  test("incomplete data never lowers", () => {
    fc.assert(
      fc.property(anyPolicy, anyObservation, anyState, (p, observed, state) => {
        const decision = decide(p, observed, state, nowMs);
        if (decision.data.quality === "complete" && !decision.recovering) return;
        const present = Math.min(Math.max(observed.currentReplicas, observed.previousFloor), p.maxReplicas);
        expect(decision.desiredReplicas).toBeGreaterThanOrEqual(present);
      }),
    );
  });

  test("more load never asks for fewer replicas", () => {
    const load = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(anyPolicy, anyState, fc.tuple(load, load, load, load), (p, state, [rate, queue, more, longer]) => {
        const low = decide(p, observe({ rate: known(rate), queue: known(queue) }), state, nowMs);
        const high = decide(p, observe({ rate: known(rate + more), queue: known(queue + longer) }), state, nowMs);
        expect(high.desiredReplicas).toBeGreaterThanOrEqual(low.desiredReplicas);
      }),
    );
  });

  test("a value that is served makes the HPA ask for no more than decide does", () => {
    fc.assert(
      fc.property(anyPolicy, anyObservation, anyState, (p, observed, state) => {
        const { servedValues, floor } = decide(p, observed, state, nowMs);
        for (const type of ["RequestRate", "QueueDepth"] as const) {
          const target = p.targets[type];
          const value = servedValues[type];
          if (target === undefined || value === undefined) continue;
          expect(Math.ceil((value / target) * (1 - 1e-12))).toBeLessThanOrEqual(floor);
        }
      }),
    );
  });
});
