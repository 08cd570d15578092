// The load line of a replica: what is said of it at first, and that it follows what the I/O threads answer.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { TINY } from "../models/test-calibration.ts";
import { ONE_WORKER } from "../models/test-plan.ts";
import { recordingLog } from "../test-server.ts";
import { type KeepLoadLineOptions, keepLoadLine } from "./keep-load-line.ts";
import { ThreadBoard } from "./thread-board.ts";

const CALIBRATION = { ...TINY, rowsPerSecond: 100, cpuSecondsPerRow: 0.005 };

function keep({
  plan = {},
  calibration = {},
  ...options
}: Partial<Omit<KeepLoadLineOptions, "loaded">> & {
  readonly plan?: Partial<typeof ONE_WORKER>;
  readonly calibration?: Partial<typeof CALIBRATION> | { readonly cpuSecondsPerRow: undefined };
} = {}) {
  const { log, lines } = recordingLog();
  const board = new ThreadBoard(1);
  const kept = keepLoadLine({
    loaded: { plan: { ...ONE_WORKER, ...plan }, calibration: { ...CALIBRATION, ...calibration } },
    ioCpuSeconds: { "v2-rest": 0.001 },
    saturation: undefined,
    cpus: 2,
    board,
    backlogSince: () => undefined,
    wallClock: Date.now,
    log,
    ...options,
  });
  return { ...kept, board, lines };
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});

afterEach(() => {
  vi.useRealTimers();
});

describe("at first it is", () => {
  const CASES: Record<string, [Parameters<typeof keep>[0], number]> = {
    "what the workers compute": [{}, 100],
    "what there is CPU for": [{ cpus: 0.3 }, 50],
    "what the I/O threads carry, where they run the model": [{ plan: { inline: true } }, 1000],
    "that of all I/O threads, where they run the model": [{ plan: { inline: true, ioThreads: 2 }, cpus: 4 }, 2000],
    "what all parts did together, where that was measured": [{ saturation: { "v2-rest": 80 } }, 80],
    "what the workers compute, where their CPU was not measured": [
      { calibration: { cpuSecondsPerRow: undefined } },
      100,
    ],
  };
  test.each(Object.entries(CASES))("%s", (_name, [options, expected]) => {
    const { loadLine, end, lines } = keep(options);
    expect(loadLine.entries.get("v2-rest")).toBeCloseTo(expected);
    expect(lines.map(({ fields }) => fields)).toEqual([{ requestsPerSecond: Object.fromEntries(loadLine.entries) }]);
    end();
  });

  test("nothing for protocols whose cost is not known", () => {
    const { loadLine, end } = keep({ ioCpuSeconds: {} });
    expect(loadLine.entries.size).toBe(0);
    end();
  });
});

describe("after ten seconds of 60 answers per second", () => {
  function answer(board: ThreadBoard): void {
    for (let second = 1; second <= 10; second += 1) {
      board.setAnswered(0, "v2-rest", second * 60);
      vi.advanceTimersByTime(1000);
    }
  }

  test("it is the same while no request waits: there was no demand for more", () => {
    const { loadLine, board, end } = keep();
    answer(board);
    expect(loadLine.entries.get("v2-rest")).toBeCloseTo(100);
    end();
  });

  test.each([
    ["requests have been waiting", { backlogSince: () => 1_000_000 }],
    ["all I/O threads have been at their limit", {}],
  ])("it is lower where %s all the time: there is no more", (_name, options) => {
    const { loadLine, board, end } = keep(options);
    board.setSaturatedSince(0, 1_000_000);
    answer(board);
    expect(loadLine.entries.get("v2-rest")).toBeLessThan(90);
    expect(loadLine.entries.get("v2-rest")).toBeGreaterThan(60);
    end();
  });

  test("it is higher where it was below that", () => {
    const { loadLine, board, end } = keep({ saturation: { "v2-rest": 20 } });
    answer(board);
    expect(loadLine.entries.get("v2-rest")).toBeGreaterThan(30);
    end();
  });

  test("it is the same once that was ended", () => {
    const { loadLine, board, end } = keep({ saturation: { "v2-rest": 20 } });
    end();
    answer(board);
    expect(loadLine.entries.get("v2-rest")).toBe(20);
  });
});
