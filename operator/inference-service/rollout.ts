// Decides which revision the Deployment runs: the one that the spec asks for, or while that fails, the one that served. Pure.

import type { Deployment, ReplicaSet } from "kubernetes-types/apps/v1.js";
import type { Pod, PodTemplateSpec } from "kubernetes-types/core/v1.js";
import { type Finding, finding, rfc3339 } from "../api/conditions.ts";
import { revisionLabel } from "../api/group.ts";
import type { InferenceServiceStatus } from "../api/inference-service-status.ts";
import { stateOfAttempt } from "./attempt-failure.ts";
import type { Failure } from "./failure.ts";
import { inPlaceStrategy, isInPlace, secondsUntilInPlace } from "./in-place.ts";
import { type RollOutAttempts, readAttempts, retrySeconds, withAttempts } from "./roll-out-attempts.ts";
import { isComplete, rolloutCounts } from "./rollout-counts.ts";

type ModelStatus = NonNullable<InferenceServiceStatus["model"]>;

export interface RolloutInput {
  /** What the spec asks for. */
  readonly wanted: Deployment;
  /** As it is, if it is there. */
  readonly live: Deployment | undefined;
  /** Those of the Deployment. Read only where `mayConcernReplicaSets` says so. */
  readonly replicaSets: readonly ReplicaSet[];
  /** The service's pods, of every revision. */
  readonly pods: readonly Pod[];
  readonly previous: ModelStatus | undefined;
  /** Whether pods may be replaced one by one where no accelerator is free for a further one. */
  readonly mayReplaceInPlace: boolean;
  readonly now: Date;
}

export interface RolloutDecision {
  /** What to apply. */
  readonly deployment: Deployment;
  /** What the spec asks for. */
  readonly revision?: string | undefined;
  readonly model: Pick<ModelStatus, "servingRevision" | "pendingRevision" | "attempts" | "nextAttemptTime">;
  /** The spec's revision has failed, and the serving one is back. */
  readonly isRolledBack: boolean;
  /** What was wrong with the pods of the revision that was rolled back. */
  readonly failure?: Failure | undefined;
  /** Overrides what the counts say. */
  readonly finding?: Finding<"RolloutComplete">;
  readonly requeueAfterSeconds?: number;
}

/** Whether the ReplicaSets matter: as long as no revision but the spec's has ever run, or none but it is left, they do not. */
export function mayConcernReplicaSets(input: Omit<RolloutInput, "replicaSets">): boolean {
  const { wanted, live, pods, previous } = input;
  const revision = revisionOf(wanted);
  if (live === undefined) return false;
  if (revisionOf(live) !== revision) return true;
  if (isComplete(rolloutCounts(live))) return false;
  const { servingRevision = revision } = previous ?? {};
  return servingRevision !== revision || pods.some(({ metadata }) => metadata?.labels?.[revisionLabel] !== revision);
}

export function decideRollout(input: RolloutInput): RolloutDecision {
  const { wanted, live, previous } = input;
  const revision = revisionOf(wanted);
  if (live === undefined || revision === undefined) {
    return { deployment: wanted, revision, model: served(previous?.servingRevision), isRolledBack: false };
  }
  if (isComplete(rolloutCounts(live)) && revisionOf(live) === revision) {
    // Without a pod it is complete, and proves nothing.
    const serving = (live.spec?.replicas ?? 0) > 0 ? revision : previous?.servingRevision;
    return { deployment: wanted, revision, model: served(serving), isRolledBack: false };
  }
  return decideBetween(input, live, revision);
}

/** Pods of other revisions are there, or the spec's is not everywhere yet. */
function decideBetween(input: RolloutInput, live: Deployment, revision: string): RolloutDecision {
  const { previous, now } = input;
  const serving = servingReplicaSet(input);
  const servingRevision = serving && revisionOf(serving);
  const known = readAttempts(live);
  const attempts = known?.revision === revision ? known : undefined;
  // Nothing else ever served, or the spec asks for what serves.
  const asksForServing = servingRevision === revision || previous?.servingRevision === revision;
  if (serving === undefined || servingRevision === undefined || asksForServing) {
    return goOn(input, undefined, served(previous?.servingRevision ?? servingRevision));
  }
  const model = { servingRevision, pendingRevision: revision };
  if (revisionOf(live) === revision) return judge(input, { live, revision, serving, attempts, model });
  return attempts !== undefined && waits(attempts, now)
    ? rollBack(input, { serving, attempts, model })
    : goOn(input, attempts, model);
}

interface Attempted {
  readonly live: Deployment;
  readonly revision: string;
  readonly serving: ReplicaSet;
  readonly attempts: RollOutAttempts | undefined;
  readonly model: Known;
}

/** The spec's revision is being rolled out: has it failed? */
function judge(input: RolloutInput, attempted: Attempted): RolloutDecision {
  const { wanted, pods, now } = input;
  const { live, revision, serving, attempts, model } = attempted;
  const state = stateOfAttempt({ deployment: live, revision, pods, serving, now });
  if (state.kind === "going on") {
    const decision = goOn(input, attempts, model);
    return { ...decision, ...soonest(decision.requeueAfterSeconds, state.again) };
  }
  const failed = (attempts?.failed ?? 0) + (state.kind === "failed" ? 1 : 0);
  const next = rfc3339(new Date(now.getTime() + retrySeconds(failed) * 1000));
  const retry = wanted.spec?.strategy?.type === "Recreate" ? {} : { next };
  const { kind, message, failure } = state;
  const noted = { revision, failed, ...retry, reason: kind, message, failure };
  return rollBack(input, { serving, attempts: noted, model });
}

function served(servingRevision: string | undefined): Known {
  return servingRevision === undefined ? {} : { servingRevision };
}

/** What served last according to the status; where that is unknown, the other revision with most pods that are ready. */
function servingReplicaSet({ replicaSets, previous, wanted }: RolloutInput): ReplicaSet | undefined {
  const known = replicaSets.find((set) => revisionOf(set) === previous?.servingRevision);
  if (known !== undefined && previous?.servingRevision !== undefined) return known;
  return replicaSets
    .filter((set) => revisionOf(set) !== revisionOf(wanted) && readyReplicas(set) > 0)
    .toSorted((a, b) => readyReplicas(b) - readyReplicas(a))[0];
}

function readyReplicas({ status }: ReplicaSet): number {
  return status?.readyReplicas ?? 0;
}

function waits({ next }: RollOutAttempts, now: Date): boolean {
  return next === undefined || Date.parse(next) > now.getTime();
}

type Known = RolloutDecision["model"];

/** The spec's revision, tried for the first time or again. */
function goOn(input: RolloutInput, attempts: RollOutAttempts | undefined, model: Known): RolloutDecision {
  const { wanted, live, pods, now } = input;
  const revision = revisionOf(wanted);
  const counted = attempts === undefined ? model : { ...model, attempts: attempts.failed };
  const deployment = attempts === undefined ? wanted : withAttempts(wanted, attempts);
  const going = { deployment, revision, model: counted, isRolledBack: false };
  if (!input.mayReplaceInPlace || live === undefined) return going;
  const message =
    "no accelerator is free for a pod beside the present ones: each of them goes before its successor comes";
  const inPlace = {
    ...going,
    deployment: withStrategy(deployment),
    finding: finding("RolloutComplete", "False", "ReplacingInPlace", message),
  };
  // Until it is done: with a surge the last pods would wait again.
  if (isInPlace(live)) return inPlace;
  // A revision that failed once must not take pods away again.
  if (revision === undefined || revisionOf(live) !== revision || attempts !== undefined) return going;
  const seconds = secondsUntilInPlace(pods, revision, now);
  if (seconds === undefined) return going;
  return seconds <= 0 ? inPlace : { ...going, requeueAfterSeconds: seconds };
}

interface RollBack {
  readonly serving: ReplicaSet;
  readonly attempts: RollOutAttempts;
  readonly model: Known;
}

/** The serving revision's template, as its ReplicaSet keeps it. */
function rollBack(input: RolloutInput, { serving, attempts, model }: RollBack): RolloutDecision {
  const { wanted, live, now, mayReplaceInPlace } = input;
  const template = templateOf(serving);
  const back: Deployment = { ...wanted, spec: { ...wanted.spec, selector: wanted.spec?.selector ?? {}, template } };
  const noted = withAttempts(back, attempts);
  // What failed holds what the serving pods need.
  const inPlace = mayReplaceInPlace && live !== undefined && isInPlace(live) && !isComplete(rolloutCounts(live));
  const { failed, next, revision, message } = attempts;
  const then = next === undefined ? "it is not tried again before the spec changes" : `it is tried again at ${next}`;
  const what = attempts.reason === "raise" ? "was put off" : `failed (${times(failed)})`;
  return {
    deployment: inPlace ? withStrategy(noted) : noted,
    revision,
    model: { ...model, attempts: failed, ...(next === undefined ? {} : { nextAttemptTime: next }) },
    isRolledBack: true,
    failure: attempts.failure,
    finding: finding(
      "RolloutComplete",
      "False",
      "RolledBack",
      `revision ${revision} ${what}, ${revisionOf(serving)} goes on serving; ${then}: ${message}`,
    ),
    // One more, for what rounding to whole seconds took away.
    ...(next === undefined ? {} : { requeueAfterSeconds: Math.max((Date.parse(next) - now.getTime()) / 1000, 0) + 1 }),
  };
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

function withStrategy(deployment: Deployment): Deployment {
  const { selector = {}, template = {}, ...spec } = deployment.spec ?? {};
  return { ...deployment, spec: { ...spec, selector, template, strategy: inPlaceStrategy } };
}

/** Without the label that the Deployment's controller adds. */
function templateOf({ spec }: ReplicaSet): PodTemplateSpec {
  const { metadata = {}, ...template } = spec?.template ?? {};
  const { "pod-template-hash": _, ...labels } = metadata.labels ?? {};
  const { annotations } = metadata;
  return { ...template, metadata: annotations === undefined ? { labels } : { annotations, labels } };
}

function revisionOf({ spec }: Deployment | ReplicaSet): string | undefined {
  return spec?.template?.metadata?.labels?.[revisionLabel];
}

function soonest(one: number | undefined, other: number | undefined): Pick<RolloutDecision, "requeueAfterSeconds"> {
  const given = [one, other].filter((seconds) => seconds !== undefined);
  return given.length === 0 ? {} : { requeueAfterSeconds: Math.min(...given) };
}
