// Tests of probe thresholds.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { initialProbeState, nextProbeState, type ProbeKind, type ProbeState } from "./probe-state.ts";

/** `+` and `-` for each result, answered by `+` and `-` for the verdict after it, and `!` where the failure threshold is reached. */
function verdicts(
  kind: ProbeKind,
  results: string,
  thresholds: { successThreshold?: number; failureThreshold?: number },
): string {
  let state: ProbeState = initialProbeState(kind);
  return results
    .split("")
    .map((result) => {
      const next = nextProbeState(state, result === "+", thresholds);
      state = next;
      return next.failed ? "!" : next.passing ? "+" : "-";
    })
    .join("");
}

describe("probe thresholds", () => {
  test.each<[string, ProbeKind, { results: string; successThreshold?: number; failureThreshold?: number }, string]>([
    ["readiness begins as failing and passes with the first success", "readiness", { results: "-+" }, "-+"],
    ["readiness stays until three failures in a row", "readiness", { results: "+--+---" }, "++++++!"],
    ["a success threshold is counted in a row", "readiness", { results: "+-++", successThreshold: 2 }, "---+"],
    ["liveness begins as passing", "liveness", { results: "--" }, "++"],
    ["liveness fails at its threshold", "liveness", { results: "--", failureThreshold: 2 }, "+!"],
    ["startup begins as failing", "startup", { results: "--+", failureThreshold: 30 }, "--+"],
  ])("%s", (_sentence, kind, { results, ...thresholds }, expected) => {
    expect(verdicts(kind, results, thresholds)).toBe(expected);
  });

  test("the verdict changes only when the last results, as many as the threshold says, agree", () => {
    const threshold = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(fc.array(fc.boolean()), threshold, threshold, (results, successThreshold, failureThreshold) => {
        let state: ProbeState = initialProbeState("readiness");
        results.forEach((success, index) => {
          const next = nextProbeState(state, success, { successThreshold, failureThreshold });
          const needed = success ? successThreshold : failureThreshold;
          const last = results.slice(Math.max(0, index + 1 - needed), index + 1);
          const agree = last.length === needed && last.every((result) => result === success);
          expect(next.passing).toBe(agree ? success : state.passing);
          state = next;
        });
      }),
    );
  });
});
