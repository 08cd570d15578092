// What the I/O threads tell each other in shared memory.

import { describe, expect, test } from "vitest";

import { PROTOCOLS } from "../metrics.ts";
import { ThreadBoard } from "./thread-board.ts";

describe("a thread that is ahead", () => {
  const CASES: Record<string, [connections: number[], ahead: boolean[]]> = {
    "nobody where all have as many": [
      [8, 8],
      [false, false],
    ],
    "nobody where they cannot be even": [
      [9, 8],
      [false, false],
    ],
    "nobody by one more than its share": [
      [9, 7],
      [false, false],
    ],
    "the one with two more than its share": [
      [10, 6],
      [true, false],
    ],
    "the one that has all": [
      [16, 0],
      [true, false],
    ],
    "of three": [
      [2, 9, 4],
      [false, true, false],
    ],
    "never the only one": [[1000], [false]],
    "nobody without connections": [
      [0, 0, 0],
      [false, false, false],
    ],
  };
  test.each(Object.entries(CASES))("%s", (_name, [connections, ahead]) => {
    const board = new ThreadBoard(connections.length);
    for (const [thread, count] of connections.entries()) {
      board.setConnections(thread, count);
    }
    expect(connections.map((_count, thread) => board.isAhead(thread))).toEqual(ahead);
  });
});

describe("saturation", () => {
  test.each<[string, (number | undefined)[], number | undefined]>([
    ["since the last of them reached its limit", [1000, 3000, 2000], 3000],
    ["not while one has time", [1000, undefined, 2000], undefined],
    ["not at the start", [undefined, undefined], undefined],
  ])("%s", (_name, since, expected) => {
    const board = new ThreadBoard(since.length);
    for (const [thread, wallClockMs] of since.entries()) {
      board.setSaturatedSince(thread, wallClockMs);
    }
    expect(board.saturatedSince()).toBe(expected);
  });

  test("ends", () => {
    const board = new ThreadBoard(1);
    board.setSaturatedSince(0, 1000);
    board.setSaturatedSince(0, undefined);
    expect(board.saturatedSince()).toBeUndefined();
  });
});

test("answers of all threads are added up, each protocol by itself", () => {
  const board = new ThreadBoard(2);
  for (const [index, protocol] of PROTOCOLS.entries()) {
    board.setAnswered(0, protocol, index + 1);
    board.setAnswered(1, protocol, 100);
  }
  board.setAnswered(1, "v2-rest", 200);
  expect(PROTOCOLS.map((protocol) => board.answered(protocol))).toEqual([201, 102, 103, 104]);
});

test("another thread sees the same board, and no field lies on another", () => {
  const board = new ThreadBoard(2);
  board.setConnections(0, 16);
  board.setSaturatedSince(1, 4000);
  board.setAnswered(1, "tfs-rest", 7);
  const other = new ThreadBoard(2, structuredClone(board.memory));
  expect(other.isAhead(0)).toBe(true);
  expect(other.saturatedSince()).toBeUndefined();
  other.setSaturatedSince(0, 3000);
  expect(board.saturatedSince()).toBe(4000);
  expect(other.answered("tfs-rest")).toBe(7);
});
