// Which revision runs while a new one comes, fails, is tried again or is taken back, and what never happens meanwhile.

import fc from "fast-check";
import type { Deployment, DeploymentCondition, ReplicaSet } from "kubernetes-types/apps/v1.js";
import type { ContainerState, Pod, PodCondition } from "kubernetes-types/core/v1.js";
import { describe, expect, test } from "vitest";
import { inferenceServiceLabel, revisionLabel, rollOutAttemptsAnnotation } from "../api/group.ts";
import { inPlaceStrategy } from "./in-place.ts";
import { type RollOutAttempts, readAttempts, retrySeconds, withAttempts } from "./roll-out-attempts.ts";
import { decideRollout, mayConcernReplicaSets, type RolloutInput } from "./rollout.ts";

const now = new Date("2026-03-01T12:10:00Z");
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000).toISOString();
const surge = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: "25%" } };

const labels = (revision: string) => ({ [inferenceServiceLabel]: "m", [revisionLabel]: revision });
const templateOf = (revision: string) => ({
  metadata: { labels: labels(revision) },
  spec: { containers: [{ name: "server", args: [revision] }] },
});

const wantedOf = (revision: string): Deployment => ({
  metadata: { name: "m-predictor" },
  spec: { selector: { matchLabels: labels("") }, strategy: surge, template: templateOf(revision) },
});

interface Live {
  readonly replicas?: number;
  readonly complete?: boolean;
  readonly strategy?: object;
  readonly progressing?: string;
  readonly observed?: boolean;
  readonly attempts?: RollOutAttempts;
}

function liveOf(revision: string, live: Live = {}): Deployment {
  const { replicas = 2, complete = false, strategy = surge, progressing, observed = true, attempts } = live;
  const conditions: DeploymentCondition[] =
    progressing === undefined ? [] : [{ type: "Progressing", status: "False", reason: progressing }];
  const wanted = wantedOf(revision);
  const deployment: Deployment = {
    ...wanted,
    metadata: { ...wanted.metadata, generation: 2 },
    spec: { selector: {}, template: templateOf(revision), strategy, replicas },
    status: {
      observedGeneration: observed ? 2 : 1,
      replicas: complete ? replicas : replicas + 1,
      updatedReplicas: complete ? replicas : 1,
      availableReplicas: replicas,
      conditions,
    },
  };
  return attempts === undefined ? deployment : withAttempts(deployment, attempts);
}

function setOf(revision: string, ready: number, replicas = ready): ReplicaSet {
  const template = templateOf(revision);
  const metadata = { labels: { ...template.metadata.labels, "pod-template-hash": "abc" } };
  return {
    spec: { selector: {}, replicas, template: { ...template, metadata } },
    status: { replicas, readyReplicas: ready },
  };
}

interface PodState {
  readonly ready?: boolean;
  readonly state?: ContainerState;
  readonly last?: ContainerState;
  readonly scheduled?: PodCondition;
  readonly age?: number;
  readonly ending?: boolean;
}

function podOf(revision: string, state: PodState = {}): Pod {
  const { ready = false, age = 5, ending = false } = state;
  const scheduled = state.scheduled ?? { type: "PodScheduled", status: "True" };
  const container = { name: "server", ready, started: ready, image: "", imageID: "", restartCount: 0 };
  const metadata = { labels: labels(revision), creationTimestamp: ago(age) };
  return {
    metadata: ending ? { ...metadata, deletionTimestamp: ago(1) } : metadata,
    status: {
      conditions: [scheduled, { type: "Ready", status: ready ? "True" : "False", lastTransitionTime: ago(age) }],
      containerStatuses: [
        { ...container, state: state.state ?? { running: {} }, ...(state.last && { lastState: state.last }) },
      ],
    },
  };
}

const ended = (message: string, reason = "Error") => ({ terminated: { exitCode: 2, reason, message } });
const corrupt = ended('{"code":"CHECKSUM_MISMATCH","message":"not the file","phase":"download"}');
const looping = (last: ContainerState, age: number): PodState => ({
  state: { waiting: { reason: "CrashLoopBackOff" } },
  last,
  age,
});
const unreachable = ended('{"code":"STORAGE_UNAVAILABLE","message":"no answer","phase":"download"}');
const noGpu = (seconds: number): PodCondition => ({
  type: "PodScheduled",
  status: "False",
  reason: "Unschedulable",
  message: "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
  lastTransitionTime: ago(seconds),
});

const serving = [podOf("A", { ready: true }), podOf("A", { ready: true })];

function decide(input: Partial<RolloutInput> & Pick<RolloutInput, "live">) {
  const wanted = input.wanted ?? wantedOf("B");
  const previous = input.previous ?? { servingRevision: "A" };
  const standard = { pods: serving, replicaSets: [setOf("A", 2), setOf("B", 0, 1)], mayReplaceInPlace: true, now };
  return decideRollout({ ...standard, ...input, wanted, previous });
}

const revisionOf = (deployment: Deployment) => deployment.spec?.template.metadata?.labels?.[revisionLabel];

describe("an attempt", () => {
  const goingOn: [string, Pod[], Live?][] = [
    ["its pod loads", [podOf("B")]],
    ["its pod crashed once, for memory", [podOf("B", { state: ended("", "OOMKilled") })]],
    ["its pod crashes again and again, but is young", [podOf("B", looping(unreachable, 30))]],
    ["one of its pods fails, and another serves", [podOf("B", { state: corrupt }), podOf("B", { ready: true })]],
    ["a pod of the attempt before is ending", [podOf("B", { state: corrupt, ending: true })]],
    ["what is known is about an earlier template", [podOf("B", { state: corrupt })], { observed: false }],
    ["its pod waits for a node", [podOf("B", { scheduled: { ...noGpu(500), message: "Insufficient cpu" } })]],
  ];
  test.each(goingOn)("goes on: %s", (_name, pods, live = {}) => {
    const decision = decide({ live: liveOf("B", live), pods: [...serving, ...pods] });
    expect(revisionOf(decision.deployment)).toBe("B");
    expect(decision).toMatchObject({ isRolledBack: false, model: { servingRevision: "A", pendingRevision: "B" } });
    expect(decision.deployment.spec?.strategy).toEqual(surge);
  });

  const failing: [string, Pod[], Live, string][] = [
    ["its model is another one", [podOf("B", { state: corrupt })], {}, "not the file"],
    ["it crashes for a minute", [podOf("B", looping(unreachable, 61))], {}, "no answer"],
    ["it ran out of memory twice", [podOf("B", looping(ended("", "OOMKilled"), 61))], {}, "memory"],
    ["its time is up", [podOf("B")], { progressing: "ProgressDeadlineExceeded" }, "not within the progress deadline"],
    [
      "its time is up with one pod ready",
      [podOf("B", { ready: true }), podOf("B")],
      { progressing: "ProgressDeadlineExceeded" },
      "not within the progress deadline",
    ],
  ];
  test.each(failing)("fails: %s; the serving revision comes back", (_name, pods, live, message) => {
    const decision = decide({ live: liveOf("B", live), pods: [...serving, ...pods] });
    expect(decision.deployment.spec?.template).toEqual(templateOf("A"));
    expect(decision.deployment.spec?.replicas).toBeUndefined();
    expect(decision.model).toEqual({
      servingRevision: "A",
      pendingRevision: "B",
      attempts: 1,
      nextAttemptTime: "2026-03-01T12:10:30Z",
    });
    expect(decision).toMatchObject({ isRolledBack: true, revision: "B", requeueAfterSeconds: 31 });
    expect(decision.finding).toMatchObject({ status: "False", reason: "RolledBack" });
    expect(decision.finding?.message).toMatch(/^revision B failed \(once\), A goes on serving; it is tried again at /);
    expect(decision.finding?.message).toContain(message);
  });

  test("is looked at again when time alone makes it fail", () => {
    const pods = [...serving, podOf("B", looping(unreachable, 40))];
    expect(decide({ live: liveOf("B"), pods }).requeueAfterSeconds).toBe(20);
  });

  test("is put off, not failed, when replicas are needed before one of its pods is ready", () => {
    const replicaSets = [setOf("A", 1, 6), setOf("B", 0, 7)];
    const decision = decide({ live: liveOf("B", { replicas: 10 }), replicaSets, pods: [podOf("B")] });
    expect(revisionOf(decision.deployment)).toBe("A");
    expect(decision.model).toMatchObject({ attempts: 0, nextAttemptTime: "2026-03-01T12:10:30Z" });
    expect(decision.finding?.message).toContain("revision B was put off, A goes on serving");
  });

  test("goes on when replicas are needed and one of its pods is ready, or none of the serving ones", () => {
    const live = liveOf("B", { replicas: 10 });
    const ready = decide({ live, replicaSets: [setOf("A", 1, 6)], pods: [podOf("B", { ready: true })] });
    const down = decide({ live, replicaSets: [setOf("A", 0, 6)], pods: [podOf("B")] });
    expect([ready, down].map(({ isRolledBack }) => isRolledBack)).toEqual([false, false]);
  });

  test("has nothing to go back to when nothing ever served", () => {
    const pods = [podOf("B", { state: corrupt })];
    const decision = decide({ live: liveOf("B"), pods, replicaSets: [setOf("B", 0, 1)], previous: {} });
    expect(decision).toMatchObject({ isRolledBack: false, model: {} });
    expect(revisionOf(decision.deployment)).toBe("B");
  });

  test("goes back to the revision with most ready pods when the status is lost", () => {
    const replicaSets = [setOf("Z", 1), setOf("A", 2), setOf("B", 0, 1)];
    const decision = decide({ live: liveOf("B"), pods: [podOf("B", { state: corrupt })], replicaSets, previous: {} });
    expect(revisionOf(decision.deployment)).toBe("A");
  });
});

describe("after a failure", () => {
  test("what was wrong with its pods is known when they are gone", () => {
    const failing = decide({ live: liveOf("B"), pods: [podOf("B", { state: corrupt })] });
    const wrong = { reason: "ChecksumMismatch", code: "CHECKSUM_MISMATCH" };
    expect(failing.failure).toMatchObject(wrong);
    const later = decide({ live: failing.deployment, pods: [] });
    expect(later).toMatchObject({ isRolledBack: true, failure: wrong });
  });

  const attempts: RollOutAttempts = {
    revision: "B",
    failed: 3,
    next: "2026-03-01T12:12:00Z",
    reason: "failed",
    message: "why",
  };
  const back = liveOf("A", { complete: true, attempts });

  test("the serving revision stays until it is time", () => {
    const decision = decide({ live: back });
    expect(decision.deployment.spec?.template).toEqual(templateOf("A"));
    expect(readAttempts(decision.deployment)).toEqual(attempts);
    expect(decision).toMatchObject({ isRolledBack: true, model: { attempts: 3 }, requeueAfterSeconds: 121 });
    expect(decision.finding?.message).toContain("revision B failed (3 times), A goes on serving");
  });

  test("the revision is tried again when it is time, and the count is kept", () => {
    const decision = decide({ live: back, now: new Date("2026-03-01T12:12:00Z") });
    expect(revisionOf(decision.deployment)).toBe("B");
    expect(readAttempts(decision.deployment)?.failed).toBe(3);
    expect(decision).toMatchObject({ isRolledBack: false, model: { attempts: 3 } });
  });

  test("the next failure is counted and the wait doubles", () => {
    const due = { ...attempts, next: "2026-03-01T12:09:00Z" };
    const pods = [...serving, podOf("B", { state: corrupt })];
    const decision = decide({ live: liveOf("B", { attempts: due }), pods });
    expect(readAttempts(decision.deployment)).toMatchObject({ failed: 4, next: "2026-03-01T12:14:00Z" });
  });

  test("another revision starts at once", () => {
    const decision = decide({ wanted: wantedOf("C"), live: back });
    expect(decision.deployment).toEqual(wantedOf("C"));
  });

  test("the serving revision, asked for again, ends it at once", () => {
    const decision = decide({ wanted: wantedOf("A"), live: back });
    expect(decision).toEqual({
      deployment: wantedOf("A"),
      revision: "A",
      model: { servingRevision: "A" },
      isRolledBack: false,
    });
  });

  test("success ends it", () => {
    const decision = decide({ live: liveOf("B", { complete: true, attempts }) });
    expect(decision).toMatchObject({ deployment: wantedOf("B"), model: { servingRevision: "B" } });
    expect(readAttempts(decision.deployment)).toBeUndefined();
  });

  test("where all pods go before new ones come, it is not tried again", () => {
    const wanted = wantedOf("B");
    const recreate = { ...wanted, spec: { ...wanted.spec, strategy: { type: "Recreate" } } } as Deployment;
    const pods = [podOf("B", { state: corrupt })];
    const decision = decide({ wanted: recreate, live: liveOf("B", { strategy: { type: "Recreate" } }), pods });
    expect(decision.model).not.toHaveProperty("nextAttemptTime");
    expect(decision.finding?.message).toContain("it is not tried again before the spec changes");
    const later = decide({ wanted: recreate, live: { ...decision.deployment, status: {} } });
    expect(later).toMatchObject({ isRolledBack: true, model: { attempts: 1 } });
  });

  test.each(["", "{", "[]", '{"revision":"B"}'])("an annotation that says %j says nothing", (text) => {
    const live = { ...back, metadata: { ...back.metadata, annotations: { [rollOutAttemptsAnnotation]: text } } };
    expect(revisionOf(decide({ live }).deployment)).toBe("B");
  });

  test.each([
    [0, 30],
    [1, 30],
    [2, 60],
    [5, 480],
    [6, 600],
    [1000, 600],
  ])("after %i failures it waits %i s", (failed, seconds) => {
    expect(retrySeconds(failed)).toBe(seconds);
  });
});

describe("without a free accelerator", () => {
  const waiting = [...serving, podOf("B", { scheduled: noGpu(16) })];

  test("pods are replaced in place, and it is said", () => {
    const decision = decide({ live: liveOf("B"), pods: waiting });
    expect(revisionOf(decision.deployment)).toBe("B");
    expect(decision.deployment.spec?.strategy).toEqual(inPlaceStrategy);
    expect(decision.finding).toMatchObject({ status: "False", reason: "ReplacingInPlace" });
  });

  test("that goes on until it is done, and then there is a surge again", () => {
    const pods = [podOf("A", { ready: true }), podOf("B")];
    const midway = decide({ live: liveOf("B", { strategy: inPlaceStrategy }), pods });
    const done = decide({ live: liveOf("B", { strategy: inPlaceStrategy, complete: true }) });
    expect(midway.deployment.spec?.strategy).toEqual(inPlaceStrategy);
    expect(done.deployment.spec?.strategy).toEqual(surge);
    expect(done.finding).toBeUndefined();
  });

  const patient: [string, Partial<RolloutInput>, number?][] = [
    ["for a moment", { pods: [...serving, podOf("B", { scheduled: noGpu(10) })] }, 5],
    ["while a pod loads", { pods: [...waiting, podOf("B")] }],
    ["while an old pod ends", { pods: [...waiting, podOf("A", { ending: true })] }],
    ["where the spec says how pods are replaced", { mayReplaceInPlace: false }],
    ["where no old pod has any", { pods: [podOf("B", { scheduled: noGpu(600) })] }],
    [
      "after it failed once",
      {
        live: liveOf("B", {
          attempts: { revision: "B", failed: 1, next: ago(60), reason: "failed", message: "" },
        }),
      },
    ],
  ];
  test.each(patient)("nothing is taken away: %s", (_name, input, seconds) => {
    const decision = decide({ live: liveOf("B"), pods: waiting, ...input });
    expect(decision.deployment.spec?.strategy).toEqual(surge);
    expect(decision.requeueAfterSeconds).toBe(seconds);
  });

  test("a failure goes back in place too: what failed holds what the serving pods need", () => {
    const live = liveOf("B", { strategy: inPlaceStrategy });
    const failed = decide({ live, pods: [podOf("A", { ready: true }), podOf("B", { state: corrupt })] });
    expect(failed.deployment.spec).toMatchObject({ strategy: inPlaceStrategy, template: templateOf("A") });
    expect(failed.finding?.reason).toBe("RolledBack");
    const complete = {
      ...liveOf("A", { complete: true, strategy: inPlaceStrategy }),
      metadata: failed.deployment.metadata,
    };
    expect(decide({ live: complete as Deployment }).deployment.spec?.strategy).toEqual(surge);
  });
});

describe("ReplicaSets are asked for", () => {
  const cases: [string, boolean, Deployment | undefined, string | undefined, Pod[]][] = [
    ["not when there is no Deployment", false, undefined, "A", serving],
    ["not when one revision is everywhere", false, liveOf("B", { complete: true }), "A", serving],
    ["not when the first revision comes up", false, liveOf("B"), undefined, [podOf("B")]],
    ["not when a pod of the only revision is missing", false, liveOf("B"), "B", [podOf("B")]],
    ["when another revision runs", true, liveOf("A", { complete: true }), "A", serving],
    ["when a pod of another revision is there", true, liveOf("B"), undefined, serving],
    ["when another revision served", true, liveOf("B"), "A", [podOf("B")]],
  ];
  test.each(cases)("%s", (...[, expected, live, servingRevision, pods]) => {
    const previous = servingRevision === undefined ? {} : { servingRevision };
    const input = { wanted: wantedOf("B"), live, pods, previous, mayReplaceInPlace: true, now };
    expect(mayConcernReplicaSets(input)).toBe(expected);
  });
});

describe("whatever the world looks like", () => {
  const revision = fc.constantFrom("A", "B", "C");
  const podState = fc.constantFrom<PodState>(
    { ready: true },
    {},
    { state: corrupt },
    looping(unreachable, 90),
    { scheduled: noGpu(60) },
    { ending: true },
  );
  const attempts = fc.option(
    fc.record({
      revision,
      failed: fc.nat(9),
      next: fc.option(fc.integer({ min: -900, max: 900 }).map(ago), { nil: undefined }),
      reason: fc.constantFrom("failed" as const, "raise" as const),
      message: fc.string(),
    }),
    { nil: undefined },
  );
  const live = fc
    .record({
      replicas: fc.nat(4),
      complete: fc.boolean(),
      observed: fc.boolean(),
      strategy: fc.constantFrom(surge, inPlaceStrategy),
      progressing: fc.constantFrom("ProgressDeadlineExceeded", "NewReplicaSetAvailable"),
      attempts,
    })
    .map(({ attempts: known, ...rest }) => (known === undefined ? rest : { ...rest, attempts: known }));
  const input = fc
    .record({
      wanted: revision.map(wantedOf),
      live: fc.tuple(revision, live).map(([name, state]) => liveOf(name, state)),
      pods: fc.array(
        fc.tuple(revision, podState).map(([name, state]) => podOf(name, state)),
        { maxLength: 5 },
      ),
      replicaSets: fc.uniqueArray(
        fc.tuple(revision, fc.nat(3)).map(([name, ready]) => setOf(name, ready)),
        { selector: (set) => set.spec?.template?.metadata?.labels?.[revisionLabel] },
      ),
      previous: fc
        .option(revision, { nil: undefined })
        .map((name) => (name === undefined ? {} : { servingRevision: name })),
      mayReplaceInPlace: fc.boolean(),
    })
    .map((state): RolloutInput => ({ ...state, now }));

  const holds = (check: (state: RolloutInput, decision: ReturnType<typeof decideRollout>) => void) =>
    fc.assert(
      fc.property(input, (state) => check(state, decideRollout(state))),
      { numRuns: 500 },
    );

  test("the template is the spec's or the serving revision's, and the count of replicas is left alone", () => {
    holds(({ wanted }, { deployment, model, isRolledBack }) => {
      const expected = isRolledBack ? templateOf(model.servingRevision ?? "") : wanted.spec?.template;
      expect(deployment.spec?.template).toEqual(expected);
      expect(deployment.spec).not.toHaveProperty("replicas");
    });
  });

  test("a spec that asks for what served gets it at once", () => {
    holds(({ wanted, previous }, { deployment, isRolledBack }) => {
      fc.pre(previous?.servingRevision === revisionOf(wanted));
      expect([revisionOf(deployment), isRolledBack]).toEqual([revisionOf(wanted), false]);
      expect(readAttempts(deployment)).toBeUndefined();
    });
  });

  test("pods are only taken away before others come where no accelerator is free, or was", () => {
    holds((state, { deployment }) => {
      fc.pre(deployment.spec?.strategy?.rollingUpdate?.maxUnavailable !== 0);
      const before = state.live?.spec?.strategy?.rollingUpdate?.maxUnavailable === 1;
      const isFull = state.pods.some(({ status }) => status?.conditions?.some(({ message }) => message !== undefined));
      expect(state.mayReplaceInPlace && (before || isFull)).toBe(true);
    });
  });

  test("a revision that has just failed is not tried again within 30 s, nor put off for more than 10 minutes", () => {
    holds((drawn) => {
      const { live: before } = drawn;
      const failing = { ...before, spec: { ...before?.spec, template: templateOf("B") } } as Deployment;
      const known = { wanted: wantedOf("B"), replicaSets: [setOf("A", 2)], previous: { servingRevision: "A" } };
      const state = { ...drawn, ...known, live: failing };
      const { deployment, isRolledBack } = decideRollout(state);
      if (!isRolledBack) return;
      const waits = (Date.parse(readAttempts(deployment)?.next ?? "") - now.getTime()) / 1000;
      expect(waits).toBeGreaterThanOrEqual(30);
      expect(waits).toBeLessThanOrEqual(600);
      // The next look, at the Deployment as it was just written, decides the same.
      const again = decideRollout({ ...state, live: { ...failing, ...deployment } });
      expect(again.deployment).toEqual(deployment);
    });
  });
});
