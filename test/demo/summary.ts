// The end of the demo: each change of replicas with its reason, the totals, and which checks passed.

import type { Check, DemoRecord } from "./checks.ts";
import type { Narrator } from "./narrator.ts";
import type { Change } from "./story.ts";

/** A load generator that is later than this says more about the machine than about the model. */
const busyMs = 50;

export function showSummary(
  narrator: Narrator,
  record: DemoRecord,
  changes: readonly Change[],
  checks: readonly Check[],
): void {
  const { total } = record;
  narrator.line("==> Summary");
  narrator.line();
  narrator.line("    Changes of the number of replicas, as the InferenceService's status has them:");
  for (const { time, from, to, reason } of changes) {
    narrator.line(`      ${timeOfDay(time)}  ${from} -> ${to}  ${reason}`);
  }
  narrator.line();
  narrator.line(
    `    Requests: ${total.sent} sent, ${total.answered} answered, ${total.rejected} rejected (503), ${total.lost} lost`,
  );
  if (record.latestSendMs > busyMs) {
    narrator.line(
      `    This machine was busy: requests were sent up to ${record.latestSendMs} ms late, which latencies include.`,
    );
  }
  narrator.line();
  for (const { name, passed, detail } of checks) {
    narrator.line(`    ${passed ? "PASS" : "FAIL"}  ${name}: ${detail}`);
  }
  const failed = checks.filter((check) => !check.passed).length;
  narrator.line();
  narrator.line(
    failed === 0
      ? `    All ${checks.length} checks passed, ${narrator.elapsedSeconds.toFixed(0)} s after the start.`
      : `    ${failed} of ${checks.length} checks failed.`,
  );
}

/** @param time RFC 3339; UTC, as Kubernetes writes it */
function timeOfDay(time: string): string {
  return new Date(time).toISOString().slice(11, 19);
}
