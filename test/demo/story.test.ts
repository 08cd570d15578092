// Tests of the plot: when the load changes, and what counts as raised, enough and back.

import { describe, expect, test } from "vitest";
import type { LoadReport } from "./request-account.ts";
import { type Change, type ClusterView, Story, type StoryEvent } from "./story.ts";

const plot = {
  usualPerSecond: 2,
  risenPerSecond: 20,
  usualSeconds: 10,
  risenSeconds: 30,
  fallLimitSeconds: 60,
  minReplicas: 1,
  neededReplicas: 5,
};

const counts = { sent: 0, answered: 0, rejected: 0, lost: 0 };
const report: LoadReport = {
  ...counts,
  atMs: 0,
  ratePerSecond: 0,
  inFlight: 0,
  phase: counts,
  latestSendMs: 0,
  lossReasons: {},
};

/** `count` replicas, all of them there and ready. */
function settled(count: number, changes: readonly Change[] = []): ClusterView {
  return { desiredReplicas: count, readyReplicas: count, pods: count, changes };
}

/** Runs the story up to the second in which it is over; `world` says what the cluster shows in each second. */
function tell(world: (second: number) => ClusterView, rejectedAt: (second: number) => number = () => 0) {
  const story = new Story(plot);
  const loads: string[] = [];
  let second = 0;
  while (story.phase !== "over") {
    second++;
    for (const event of story.tick(second, world(second), { ...report, rejected: rejectedAt(second) })) {
      loads.push(...(event.kind === "load" ? [`${second}: ${event.phase} ${event.ratePerSecond}/s`] : []));
    }
  }
  return { loads, seen: story.finish({ ...report, rejected: rejectedAt(second) }) };
}

function change(second: number, to: number): Change {
  return { time: `2026-01-01T00:00:0${second}Z`, from: to - 1, to, reason: `for ${to}` };
}

describe("the story", () => {
  test("goes from usual to risen to fallen load by the clock, and ends when replicas are back", () => {
    const { loads, seen } = tell((second) => settled(second > 14 && second < 62 ? 5 : 1));
    expect(loads).toEqual(["10: risen 20/s", "40: fallen 2/s", "62: over 0/s"]);
    expect(seen).toMatchObject({
      firstRaiseSeconds: 5,
      enoughReadySeconds: 5,
      mostReadyReplicas: 5,
      backAtMinimumSeconds: 22,
    });
  });

  test("ends at the limit when replicas do not come back, without saying that they did", () => {
    const { loads, seen } = tell((second) => settled(second > 14 ? 5 : 1));
    expect(loads.at(-1)).toBe("100: over 0/s");
    expect(seen.backAtMinimumSeconds).toBeUndefined();
  });

  test.each<[string, ClusterView, object]>([
    [
      "replicas wanted are a raise, not yet ready ones",
      { ...settled(1), desiredReplicas: 5 },
      { firstRaiseSeconds: 1 },
    ],
    ["one ready replica too few is not enough", settled(4), { enoughReadySeconds: undefined, mostReadyReplicas: 4 }],
    ["what could not be read is no raise", { changes: [] }, { firstRaiseSeconds: undefined, mostReadyReplicas: 1 }],
  ])("under the risen load, %s", (_sentence, view, expected) => {
    expect(tell((second) => (second <= 10 ? settled(1) : view)).seen).toMatchObject(expected);
  });

  test.each<[string, ClusterView]>([
    ["while a pod is still ending", { ...settled(1), pods: 2 }],
    ["while more are wanted", { ...settled(1), desiredReplicas: 2 }],
    ["while none is ready", { ...settled(1), readyReplicas: 0 }],
    ["when nobody could look", { changes: [] }],
  ])("replicas are not back at the minimum %s", (_sentence, view) => {
    expect(tell((second) => (second <= 40 ? settled(5) : view)).seen.backAtMinimumSeconds).toBeUndefined();
  });

  test.each([
    ["enough replicas are ready and the queue is short", 5, 5, { caughtUpSeconds: 10, rejectedAfterCatchUp: 1 }],
    ["enough replicas are ready and the queue is long", 5, 6, { caughtUpSeconds: undefined, rejectedAfterCatchUp: 0 }],
    ["the queue is short and too few are ready", 4, 0, { caughtUpSeconds: undefined, rejectedAfterCatchUp: 0 }],
    ["nobody knows the queue", 5, undefined, { caughtUpSeconds: undefined, rejectedAfterCatchUp: 0 }],
  ])("a rejection after %s", (_sentence, ready, queueDepth, expected) => {
    const { seen } = tell(
      (second) => ({ ...settled(second >= 20 && second < 60 ? ready : 1), queueDepth: second < 20 ? 100 : queueDepth }),
      (second) => (second > 20 ? 1 : 0),
    );
    expect(seen).toMatchObject(expected);
  });

  test("tells each change once, in order, and keeps those that the status has dropped", () => {
    const story = new Story(plot);
    const told: StoryEvent[] = [
      ...story.tick(1, settled(1, [change(2, 3), change(1, 2)]), report),
      ...story.tick(2, settled(1, [change(3, 4), change(2, 3)]), report),
    ];
    expect(told.map((event) => (event.kind === "change" ? event.change.to : undefined))).toEqual([2, 3, 4]);
    expect(story.changes.map((each) => each.to)).toEqual([2, 3, 4]);
  });
});
