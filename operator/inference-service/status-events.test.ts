// Which changes of a status are events, and that none of them is told twice.

import { describe, expect, test } from "vitest";
import type { Condition } from "../api/conditions.ts";
import { statusEvents } from "./status-events.ts";

type Told = Parameters<typeof statusEvents>[1];
type Summary = Readonly<Record<string, readonly [Condition["status"], string, number?]>>;

/** Conditions of status, reason and the minute of their last flip. */
function status(conditions: Summary, model: Told["model"] = { revision: "r1" }): Told {
  return {
    model,
    conditions: Object.entries(conditions).map(([type, [is, reason, minute = 0]]) => ({
      type,
      status: is,
      reason,
      message: `about ${reason}`,
      lastTransitionTime: `2026-03-01T12:${String(minute).padStart(2, "0")}:00Z`,
    })),
  };
}

const told = (before: Told | undefined, after: Told) =>
  statusEvents(before, after).map(({ type, reason, message }) => `${type} ${reason}: ${message}`);

const loading = { ModelReady: ["Unknown", "Loading", 1], RolloutComplete: ["False", "RollingOut", 1] } as const;
const complete = { ModelReady: ["True", "Loaded", 2], RolloutComplete: ["True", "UpToDate", 3] } as const;
const failing = { ModelReady: ["False", "ModelInvalid", 1], RolloutComplete: ["False", "ModelInvalid", 1] } as const;
const blocked = { Ready: ["False", "InvalidSpec"] } as const;
const lastFailure = { revision: "r1", reason: "ModelInvalid", message: "bad", time: "2026-03-01T12:01:00Z" };

describe("an event says", () => {
  test.each<[string, Told | undefined, Told, string[]]>([
    [
      "that a first revision is rolled out",
      undefined,
      status(loading),
      ["Normal RolloutStarted: revision r1 is rolled out"],
    ],
    [
      "that another revision is rolled out",
      status(complete),
      status(loading, { revision: "r2" }),
      ["Normal RolloutStarted: revision r2 is rolled out"],
    ],
    [
      "that a roll-out is complete",
      status(loading),
      status(complete),
      ["Normal RolloutCompleted: all replicas run revision r1"],
    ],
    [
      "that the earlier revision is back",
      status(failing),
      status({ ...failing, RolloutComplete: ["False", "RolledBack", 1] }),
      ["Warning RolledBack: about RolledBack"],
    ],
    [
      "nothing when added replicas have come up",
      status({ ...complete, RolloutComplete: ["False", "RollingOut", 5] }),
      status({ ...complete, RolloutComplete: ["True", "UpToDate", 6] }),
      [],
    ],
    ["what failed", status(loading), status(failing, { revision: "r1", lastFailure }), ["Warning ModelInvalid: bad"]],
    [
      "what failed instead",
      status(failing, { revision: "r1", lastFailure }),
      status(failing, { revision: "r1", lastFailure: { ...lastFailure, message: "worse" } }),
      ["Warning ModelInvalid: worse"],
    ],
    [
      "that it recovered",
      status({ ModelReady: failing.ModelReady }, { revision: "r1", lastFailure }),
      status({ ModelReady: complete.ModelReady }, { revision: "r1", lastFailure }),
      ["Normal Recovered: about Loaded"],
    ],
    [
      "what is wrong with the spec",
      status({ Ready: ["True", "Serving"] }),
      status(blocked),
      ["Warning InvalidSpec: about InvalidSpec"],
    ],
    ["what is wrong with a first spec", undefined, status(blocked, {}), ["Warning InvalidSpec: about InvalidSpec"]],
    [
      "nothing when too few replicas are ready",
      status({ Ready: ["True", "Serving"] }),
      status({ Ready: ["False", "TooFewReplicas"] }),
      [],
    ],
  ])("%s", (_sentence, before, after, events) => {
    expect(told(before, after)).toEqual(events);
  });

  test.each([loading, complete, failing, blocked])("nothing when nothing has changed", (conditions) => {
    const same = status(conditions, { revision: "r1", lastFailure });
    expect(told(same, structuredClone(same))).toEqual([]);
  });
});
