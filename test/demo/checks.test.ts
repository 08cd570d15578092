// Tests of the verdict: a demo that showed everything passes, and each thing not shown fails it.

import { describe, expect, test } from "vitest";
import { checkRecord, type DemoRecord, exitCode } from "./checks.ts";

const good: DemoRecord = {
  textSent: "Load line 4711",
  textRead: "Load line 4711",
  minReplicas: 1,
  neededReplicas: 5,
  firstRaiseSeconds: 4.2,
  enoughReadySeconds: 12,
  mostReadyReplicas: 6,
  backAtMinimumSeconds: 40,
  total: { sent: 1300, answered: 1290, rejected: 10, lost: 0 },
  scaleDown: { sent: 80, answered: 80, rejected: 0, lost: 0 },
  caughtUpSeconds: 25,
  rejectedAfterCatchUp: 0,
  lossReasons: {},
  hpaMetrics: [
    { name: "plimsoll_request_rate", value: "2" },
    { name: "plimsoll_queue_depth", value: "0" },
  ],
  latestSendMs: 12,
  peakMemoryBytes: 2 ** 31,
};

describe("the verdict", () => {
  test("a run that showed everything passes every check and exits with 0", () => {
    const checks = checkRecord(good);
    expect(checks.filter((check) => !check.passed)).toEqual([]);
    expect(exitCode(checks)).toBe(0);
  });

  test.each<[string, Partial<DemoRecord>, string]>([
    ["another text was read", { textRead: "Load line 4717" }, "read the text"],
    ["the first raise came after 10 s", { firstRaiseSeconds: 10.1 }, "first raise"],
    ["no raise came", { firstRaiseSeconds: undefined }, "first raise"],
    ["too few replicas became ready", { enoughReadySeconds: undefined }, "the load needs"],
    ["replicas never left the minimum", { mostReadyReplicas: 1 }, "minimum"],
    ["replicas stayed up", { backAtMinimumSeconds: undefined }, "minimum"],
    ["a request was lost", { total: { ...good.total, answered: 1289, lost: 1 } }, "lost"],
    ["a request never ended", { total: { ...good.total, answered: 1289 } }, "lost"],
    ["no request was sent", { total: { sent: 0, answered: 0, rejected: 0, lost: 0 } }, "lost"],
    ["a request was rejected when replicas had caught up", { rejectedAfterCatchUp: 1 }, "caught up"],
    ["replicas never caught up", { caughtUpSeconds: undefined }, "caught up"],
    [
      "a request was rejected on the way down",
      { scaleDown: { ...good.scaleDown, answered: 79, rejected: 1 } },
      "removed",
    ],
    ["a request failed on the way down", { scaleDown: { ...good.scaleDown, answered: 79, lost: 1 } }, "removed"],
    ["nothing was sent on the way down", { scaleDown: { sent: 0, answered: 0, rejected: 0, lost: 0 } }, "removed"],
    ["the HPA shows one metric", { hpaMetrics: good.hpaMetrics.slice(1) }, "kubectl get hpa"],
    [
      "the HPA shows a metric without its value",
      { hpaMetrics: [{ name: "plimsoll_request_rate" }, { name: "plimsoll_queue_depth", value: "0" }] },
      "kubectl get hpa",
    ],
    ["it took 3 GiB", { peakMemoryBytes: 3 * 2 ** 30 }, "memory"],
    ["nobody measured the memory", { peakMemoryBytes: 0 }, "memory"],
  ])("exits with 1 when %s, and only that check fails", (_sentence, change, name) => {
    const checks = checkRecord({ ...good, ...change });
    expect(exitCode(checks)).toBe(1);
    const failed = checks.filter((check) => !check.passed);
    expect(failed).toHaveLength(1);
    expect(failed[0]?.name).toContain(name);
  });

  test("says why requests were lost", () => {
    const record = { ...good, total: { ...good.total, answered: 1288, lost: 2 }, lossReasons: { ECONNRESET: 2 } };
    expect(checkRecord(record).find((check) => check.name.includes("lost"))?.detail).toBe(
      '2 lost, 0 without an end, of 1300: {"ECONNRESET":2}',
    );
  });

  test("no check at all is no success", () => {
    expect(exitCode([])).toBe(1);
  });
});
