// When live traffic corrects the load line: downwards only after seconds at the limit, and only by what was answered in them.

import { expect, test } from "vitest";

import type { Throughput } from "./load-line.ts";
import { LoadLineWatch } from "./load-line-watch.ts";

interface Second {
  /** Answers of this second. */
  readonly answers: number;
  /** At the limit during all of it. */
  readonly saturated: boolean;
}

type Seen = [second: number, throughput: Throughput];

/** Ticks once a second; gives each correction with the second it came in. */
function watch(seconds: readonly Second[]): Seen[] {
  return watchBoth(seconds).corrections;
}

function watchBoth(seconds: readonly Second[]): { corrections: Seen[]; raises: Seen[] } {
  const corrections: Seen[] = [];
  const raises: Seen[] = [];
  const state = { nowMs: 1_000_000, since: undefined as number | undefined, answered: 0 };
  const watcher = new LoadLineWatch({
    loadLine: {
      correct: (throughput: Throughput) => corrections.push([second, throughput]),
      raise: (throughput: Throughput) => raises.push([second, throughput]),
    } as never,
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
  return { corrections, raises };
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
    loadLine: { correct: (throughput: Throughput) => corrections.push(throughput), raise: () => undefined } as never,
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

test("below the limit it is told every five seconds what was answered in them", () => {
  expect(watchBoth([...times(6, 50, false), ...times(5, 90, false)])).toEqual({
    corrections: [],
    raises: [
      [6, { "v2-rest": 50 }],
      [11, { "v2-rest": 90 }],
    ],
  });
});

test("what corrected it does not raise it again", () => {
  expect(watchBoth(times(6, 80, true))).toEqual({ corrections: [[6, { "v2-rest": 80 }]], raises: [] });
});
