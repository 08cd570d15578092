// Tests of the summary that a person reads at the end.

import { expect, test } from "vitest";
import type { DemoRecord } from "./checks.ts";
import { Narrator } from "./narrator.ts";
import { showSummary } from "./summary.ts";

const record: DemoRecord = {
  textSent: "A",
  textRead: "A",
  minReplicas: 1,
  neededReplicas: 5,
  mostReadyReplicas: 5,
  total: { sent: 10, answered: 8, rejected: 2, lost: 0 },
  scaleDown: { sent: 1, answered: 1, rejected: 0, lost: 0 },
  rejectedAfterCatchUp: 0,
  lossReasons: {},
  hpaMetrics: [],
  latestSendMs: 51,
  peakMemoryBytes: 1,
};

function summaryOf(passed: boolean): string {
  let text = "";
  const narrator = new Narrator(
    (part) => {
      text += part;
    },
    () => 0,
  );
  const changes = [{ time: "2026-01-01T10:20:30Z", from: 1, to: 5, reason: "RequestRate 15/s asks for 5" }];
  showSummary(narrator, record, changes, [
    { name: "one", passed: true, detail: "fine" },
    { name: "two", passed, detail: "never" },
  ]);
  return text;
}

test("each change has its time and reason, each check its figures, and a busy machine is told", () => {
  const text = summaryOf(false);
  expect(text).toContain("10:20:30  1 -> 5  RequestRate 15/s asks for 5\n");
  expect(text).toContain("10 sent, 8 answered, 2 rejected (503), 0 lost\n");
  expect(text).toContain("PASS  one: fine\n    FAIL  two: never\n");
  expect(text).toContain("1 of 2 checks failed.\n");
  expect(text).toContain("up to 51 ms late");
});

test("when all passed, it says so", () => {
  expect(summaryOf(true)).toContain("All 2 checks passed");
});
