// When live traffic corrects the load line: only after seconds at the limit, and only by what was answered in them.

import { expect, test } from "vitest";

import type { Throughput } from "./load-line.ts";
import { LoadLineWatch } from "./load-line-watch.ts";

interface Second {
  /** Answers of this second. */
  readonly answers: number;
  /** At the limit during all of it. */
  readonly saturated: boolean;
}

/** Ticks once a second; gives each correction with the second it came in. */
function watch(seconds: readonly Second[]): [second: number, throughput: Throughput][] {
  const corrections: [number, Throughput][] = [];
  const state = { nowMs: 1_000_000, since: undefined as number | undefined, answered: 0 };
  const watcher = new LoadLineWatch({
    loadLine: { correct: (throughput: Throughput) => corrections.push([second, throughput]) } as never,
    saturatedSinceMs: () => state.since,
    answered: () => ({ "v2-rest": state.answered }),
    clock: () => state.nowMs,
  });
  let second = 0;
  for (const { answers, saturated } of seconds) {
    second += 1;
    state.since = saturated ? (state.since ?? state.nowMs) : undefined;
    state.answered += answers;
    state.nowMs += 1000;
    watcher.tick();
  }
  return corrections;
}

const times = (count: number, answers: number, saturated: boolean): Second[] =>
  Array.from({ length: count }, () => ({ answers, saturated }));

test("by what was answered in five seconds at the limit, and in the next five", () => {
  expect(watch([...times(3, 500, false), ...times(11, 80, true)])).toEqual([
    [9, { "v2-rest": 80 }],
    [14, { "v2-rest": 80 }],
  ]);
});

test("not below the limit", () => {
  expect(watch(times(60, 50, false))).toEqual([]);
});

test("not in bursts shorter than that", () => {
  const burst = [...times(5, 100, true), ...times(1, 10, false)];
  expect(watch([...burst, ...burst, ...burst, ...burst])).toEqual([]);
});

test("a break that fell between two ticks is a break", () => {
  const corrections: Throughput[] = [];
  const state = { nowMs: 0, since: 0 };
  const watcher = new LoadLineWatch({
    loadLine: { correct: (throughput: Throughput) => corrections.push(throughput) } as never,
    saturatedSinceMs: () => state.since,
    answered: () => ({ "v2-rest": state.nowMs }),
    clock: () => state.nowMs,
  });
  for (let second = 1; second <= 20; second += 1) {
    state.nowMs = second * 1000;
    state.since = Math.max(state.since, second % 4 === 0 ? state.nowMs - 500 : 0);
    watcher.tick();
  }
  expect(corrections).toEqual([]);
});

test("what was answered before the limit was reached does not count", () => {
  expect(watch([...times(10, 1_000_000, false), ...times(7, 1, true)])).toEqual([[16, { "v2-rest": 1 }]]);
});
