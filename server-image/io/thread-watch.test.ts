// What a thread writes on the board each second.

import { performance } from "node:perf_hooks";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ThreadBoard } from "./thread-board.ts";
import { watchThread } from "./thread-watch.ts";

/** Share of each second in which the event loop had something to do. */
let utilization = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  vi.spyOn(performance, "eventLoopUtilization").mockImplementation(() => ({ idle: 0, active: 0, utilization }));
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function watch() {
  const board = new ThreadBoard(1);
  const state = { nowMs: 1_000_000, answered: 0 };
  const end = watchThread(board, 0, { answered: () => state.answered }, () => state.nowMs);
  const pass = (seconds: number, share: number) => {
    utilization = share;
    for (let second = 0; second < seconds; second += 1) {
      state.nowMs += 1000;
      vi.advanceTimersByTime(1000);
    }
  };
  return { board, state, pass, end };
}

test("at its limit: since the beginning of the first second in which there was no rest", () => {
  const { board, pass } = watch();
  pass(3, 0.5);
  expect(board.saturatedSince()).toBeUndefined();
  pass(4, 0.99);
  expect(board.saturatedSince()).toBe(1_003_000);
  pass(1, 0.9);
  expect(board.saturatedSince()).toBeUndefined();
  pass(1, 1);
  expect(board.saturatedSince()).toBe(1_008_000);
});

test("what it has answered, until it is told to end", () => {
  const { board, state, pass, end } = watch();
  state.answered = 7;
  pass(1, 0);
  expect(board.answered("v2-rest")).toBe(7);
  end();
  state.answered = 8;
  pass(2, 0);
  expect(board.answered("v2-rest")).toBe(7);
});
