// When a condition changes, and that the catalogue holds the reasons that the program gives and no other.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Condition, conditionReasons, failureReasons, finding, mergeConditions, rfc3339 } from "./conditions.ts";

const now = new Date("2026-03-01T12:00:00.900Z");
const earlier = "2026-02-01T00:00:00Z";

const ready: Condition = {
  type: "Ready",
  status: "True",
  observedGeneration: 1,
  lastTransitionTime: earlier,
  reason: "Serving",
  message: "2 replicas are ready",
};

describe("mergeConditions", () => {
  const elsewhere: Condition = { ...ready, type: "RolloutComplete" };
  const stillReady = finding("Ready", "True", "Serving", "3 replicas are ready");
  const notReady = finding("Ready", "False", "NoReadyReplicas", "0 of at least 2 replicas are ready");

  test.each([
    ["a first finding is dated now", { previous: [], found: stillReady, date: "2026-03-01T12:00:00Z" }],
    ["the same status keeps its date", { previous: [ready], found: stillReady, date: earlier }],
    ["a status that flips is dated now", { previous: [ready], found: notReady, date: "2026-03-01T12:00:00Z" }],
    [
      "another condition's date is not taken",
      { previous: [elsewhere], found: stillReady, date: "2026-03-01T12:00:00Z" },
    ],
  ])("%s", (_sentence, { previous, found, date }) => {
    expect(mergeConditions(previous, [found], 2, now)).toEqual([
      { ...found, observedGeneration: 2, lastTransitionTime: date },
    ]);
  });

  test("another reason and message for the same status are taken over without a new date", () => {
    const before: Condition = { ...ready, status: "False", reason: "NoReadyReplicas", message: "0 of at least 2" };
    const [merged] = mergeConditions(
      [before],
      [finding("Ready", "False", "TooFewReplicas", "1 of at least 2 replicas is ready")],
      1,
      now,
    );
    expect(merged).toEqual({ ...before, reason: "TooFewReplicas", message: "1 of at least 2 replicas is ready" });
  });

  test("only what was found is written: the other conditions belong to somebody else", () => {
    const merged = mergeConditions(
      [ready, { ...ready, type: "ScalingActive" }],
      [finding("RolloutComplete", "True", "UpToDate", "done")],
      1,
      now,
    );
    expect(merged.map((condition) => condition.type)).toEqual(["RolloutComplete"]);
  });
});

test("dates are written as Kubernetes reads them: UTC, whole seconds", () => {
  expect(rfc3339(new Date("2026-03-01T12:00:00.999+02:00"))).toBe("2026-03-01T10:00:00Z");
});

describe("the catalogue", () => {
  const entries = Object.entries(conditionReasons).flatMap(([type, reasons]) =>
    Object.entries(reasons).map(([reason, meaning]) => ({ type, reason, meaning })),
  );

  test.each(entries)("$type $reason is a word for machines with a sentence for people", ({ reason, meaning }) => {
    expect(reason).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(meaning).toMatch(/^\S.{15,}\.$/);
  });

  test("the program gives every reason that is documented", () => {
    const given = reasonsGiven();
    const dead = entries.map(({ type, reason }) => `${type} ${reason}`).filter((entry) => !given.has(entry));
    expect(dead).toEqual([]);
  });
});

/**
 * `TYPE REASON` of every finding in the operator's sources. Why a signal is unknown becomes the reason of
 * MetricsAvailable, a failure that of each condition about pods, and what those say that of Reconciling and Stalled.
 */
function reasonsGiven(): Set<string> {
  const operator = join(import.meta.dirname, "..");
  const paths = readdirSync(operator, { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".ts") && !path.endsWith(".test.ts"),
  );
  const read = (chosen: readonly string[]) =>
    chosen.map((path) => readFileSync(join(operator, path), "utf8")).join("\n");
  const sources = read(paths);
  const findings = [...sources.matchAll(/\bfinding\(\s*"(\w+)",\s*"\w+",\s*"(\w+)"/g)];
  const unknowns = sources.matchAll(/\b(?:unknownSignal\(|QueryError\(|reason: )"(\w+)"/g);
  const diagnoses = read(paths.filter((path) => /inference-service\/(?:diagnosis|[a-z]+-failure)\.ts$/.test(path)));
  const failures = [...diagnoses.matchAll(/"(\w+)"/g)].flatMap(([, word = ""]) =>
    word in failureReasons ? [word] : [],
  );
  return new Set([
    ...findings.map(([, type, reason]) => `${type} ${reason}`),
    ...findings.flatMap(([, , reason]) => ["Reconciling", "Stalled"].map((type) => `${type} ${reason}`)),
    ...[...unknowns].map(([, reason]) => `MetricsAvailable ${reason}`),
    ...failures.flatMap((reason) =>
      ["Ready", "ModelReady", "RolloutComplete", "Reconciling"].map((type) => `${type} ${reason}`),
    ),
  ]);
}
