// Tests of restarts and their delays.

import { expect, test } from "vitest";
import { type BackOffState, nextBackOff, noBackOff, type RestartPolicy, shouldRestart } from "./back-off.ts";

const limits = { initialSeconds: 10, maxSeconds: 300, resetAfterSeconds: 600 };

function delaysAfterRunsOf(seconds: readonly number[]): number[] {
  let state: BackOffState = noBackOff;
  return seconds.map((ranForSeconds) => {
    const next = nextBackOff(state, ranForSeconds, limits);
    state = next;
    return next.delaySeconds;
  });
}

test("the first restart is immediate, the following wait twice as long each time, up to the maximum", () => {
  expect(delaysAfterRunsOf([1, 1, 1, 1, 1, 1, 1, 1])).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
});

test("a container that ran for ten minutes begins anew", () => {
  expect(delaysAfterRunsOf([1, 1, 1, 600, 1, 1])).toEqual([0, 10, 20, 0, 10, 20]);
});

test.each<[RestartPolicy, number, boolean]>([
  ["Always", 0, true],
  ["Always", 1, true],
  ["OnFailure", 0, false],
  ["OnFailure", 137, true],
  ["Never", 0, false],
  ["Never", 1, false],
])("with policy %s exit code %d restarts: %s", (policy, exitCode, expected) => {
  expect(shouldRestart(policy, exitCode)).toBe(expected);
});
