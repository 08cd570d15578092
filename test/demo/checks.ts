// What the demo must show, as checks on what was seen: each passes or fails, with the figures that say why.

import type { Counts } from "./request-account.ts";

/** What was seen during one run. A moment that never came is absent. Seconds count from the rise or the fall of the load. */
export interface DemoRecord {
  readonly textSent: string;
  readonly textRead: string;
  readonly minReplicas: number;
  /** What the risen load needs: ceil(rate / target). */
  readonly neededReplicas: number;
  /** Rise of the load -> the Deployment asks for more replicas. */
  readonly firstRaiseSeconds?: number | undefined;
  /** Rise of the load -> the needed replicas are ready. */
  readonly enoughReadySeconds?: number | undefined;
  readonly mostReadyReplicas: number;
  /** Fall of the load -> no more replicas than the minimum, wanted or there. */
  readonly backAtMinimumSeconds?: number | undefined;
  readonly total: Counts;
  /** Of the requests that arrived after the load fell. */
  readonly scaleDown: Counts;
  /** Rise of the load -> enough replicas are ready and have worked off what had queued up before. */
  readonly caughtUpSeconds?: number | undefined;
  /** Requests rejected later than that. */
  readonly rejectedAfterCatchUp: number;
  readonly lossReasons: Readonly<Record<string, number>>;
  /** Metrics of the HorizontalPodAutoscaler; value is absent where it has none. */
  readonly hpaMetrics: readonly { readonly name: string; readonly value?: string | undefined }[];
  /** How late the load generator sent a request, at most. */
  readonly latestSendMs: number;
  readonly peakMemoryBytes: number;
}

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly detail: string;
}

export const firstRaiseLimitSeconds = 10;
export const memoryLimitBytes = 3 * 2 ** 30;
const expectedHpaMetrics = ["plimsoll_queue_depth", "plimsoll_request_rate"];

/** Every promise of the demo, in the order in which it shows them. */
export function checkRecord(record: DemoRecord): readonly Check[] {
  return [checkText(record), ...checkReplicas(record), ...checkRequests(record), checkHpa(record), checkMemory(record)];
}

/** 0 when everything passed, else 1; no check at all is a failure. */
export function exitCode(checks: readonly Check[]): 0 | 1 {
  return checks.length > 0 && checks.every((check) => check.passed) ? 0 : 1;
}

function checkText({ textSent, textRead }: DemoRecord): Check {
  return {
    name: "the model read the text",
    passed: textRead === textSent,
    detail: `sent ${JSON.stringify(textSent)}, read ${JSON.stringify(textRead)}`,
  };
}

function checkReplicas(record: DemoRecord): Check[] {
  const { firstRaiseSeconds, enoughReadySeconds, backAtMinimumSeconds, neededReplicas, minReplicas } = record;
  return [
    {
      name: `the first raise came within ${firstRaiseLimitSeconds} s of the rise of the load`,
      passed: firstRaiseSeconds !== undefined && firstRaiseSeconds <= firstRaiseLimitSeconds,
      detail: after(firstRaiseSeconds),
    },
    {
      name: `as many replicas were ready as the load needs (${neededReplicas})`,
      passed: enoughReadySeconds !== undefined,
      detail: `${after(enoughReadySeconds)}; at most ${record.mostReadyReplicas} were ready`,
    },
    {
      name: `replicas returned to the minimum (${minReplicas})`,
      passed: backAtMinimumSeconds !== undefined && record.mostReadyReplicas > minReplicas,
      detail: `${after(backAtMinimumSeconds)} of the lower load, from ${record.mostReadyReplicas}`,
    },
  ];
}

function checkRequests(record: DemoRecord): Check[] {
  const { total, scaleDown, caughtUpSeconds, rejectedAfterCatchUp, lossReasons } = record;
  const unended = total.sent - total.answered - total.rejected - total.lost;
  const lost = `${total.lost} lost, ${unended} without an end, of ${total.sent}`;
  return [
    {
      name: "no request was lost",
      passed: total.sent > 0 && total.lost === 0 && unended === 0,
      detail: total.lost === 0 ? lost : `${lost}: ${JSON.stringify(lossReasons)}`,
    },
    {
      name: "no request was rejected (503) once replicas had caught up",
      passed: caughtUpSeconds !== undefined && rejectedAfterCatchUp === 0,
      detail: `${after(caughtUpSeconds)}; ${total.rejected} rejected, ${rejectedAfterCatchUp} of them later`,
    },
    {
      name: "no request was rejected or failed while replicas were removed",
      passed: scaleDown.sent > 0 && scaleDown.answered === scaleDown.sent,
      detail: `${scaleDown.answered} of ${scaleDown.sent} answered`,
    },
  ];
}

function checkHpa({ hpaMetrics }: DemoRecord): Check {
  const names = hpaMetrics.map((metric) => metric.name).toSorted();
  return {
    name: "kubectl get hpa shows both metrics with values",
    passed: String(names) === String(expectedHpaMetrics) && hpaMetrics.every((metric) => metric.value !== undefined),
    detail: hpaMetrics.map(({ name, value }) => `${name} ${value ?? "unknown"}`).join(", ") || "no metrics",
  };
}

function checkMemory({ peakMemoryBytes }: DemoRecord): Check {
  return {
    name: "everything together stayed under 3 GiB of memory",
    passed: peakMemoryBytes > 0 && peakMemoryBytes < memoryLimitBytes,
    detail: `at most ${(peakMemoryBytes / 2 ** 20).toFixed(0)} MiB`,
  };
}

function after(seconds: number | undefined): string {
  return seconds === undefined ? "never" : `after ${seconds.toFixed(1)} s`;
}
