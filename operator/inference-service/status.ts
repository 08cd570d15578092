// Computes the part of the status that the reconciler owns, from the service, its Deployment and its pods as they are.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import { type AnyFinding, type Condition, type Finding, finding, mergeConditions, rfc3339 } from "../api/conditions.ts";
import { pausedAnnotation, revisionLabel } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import type { InferenceServiceStatus } from "../api/inference-service-status.ts";
import { conditionOf } from "../kube/conditions.ts";
import { selectorText, serviceUrl } from "../resources/names.ts";
import { type ColdStart, measureColdStart } from "./cold-start.ts";
import { diagnose, hasLoaded, isReady, podsOfRevision } from "./diagnosis.ts";
import type { Failure } from "./failure.ts";
import type { RolloutDecision } from "./rollout.ts";
import { isComplete, type RolloutCounts, rolloutCounts } from "./rollout-counts.ts";

/** What the reconciler writes below `status`. The autoscaler owns the rest of it. */
export interface ReconciledStatus {
  readonly observedGeneration: number;
  readonly url: string;
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly selector: string;
  readonly model?: NonNullable<InferenceServiceStatus["model"]>;
  readonly coldStart?: ColdStart;
  readonly conditions: readonly Condition[];
}

export interface StatusInput {
  readonly service: InferenceService;
  /** The service's own Deployment; absent when there is none yet, or one that belongs to somebody else. */
  readonly deployment?: Deployment | undefined;
  /** The service's pods, of every revision. */
  readonly pods?: readonly Pod[];
  /** What was decided about the revisions; absent where nothing was. */
  readonly rollout?: RolloutDecision | undefined;
  /** Why the children cannot be made; overrides what the pods say about Ready. */
  readonly blocked?: Finding<"Ready"> | undefined;
  /** Whether an annotation keeps the children as they are; overrides what is said of the roll-out. */
  readonly paused?: boolean | undefined;
}

export function computeStatus(input: StatusInput, now: Date): ReconciledStatus {
  const { service, deployment, pods = [], rollout: decided, blocked, paused } = input;
  const revision = decided?.revision ?? deployment?.spec?.template.metadata?.labels?.[revisionLabel];
  const view: View = {
    service,
    paused,
    counts: rolloutCounts(deployment),
    revision,
    newest: revision === undefined ? [] : podsOfRevision(pods, revision),
    failure: deployment === undefined || revision === undefined ? undefined : diagnose({ pods, revision, deployment }),
    decided,
  };
  return {
    observedGeneration: service.metadata.generation ?? 0,
    url: serviceUrl(service),
    replicas: deployment?.status?.replicas ?? 0,
    readyReplicas: deployment?.status?.readyReplicas ?? 0,
    selector: selectorText(service.metadata.name),
    ...modelStatus(view, now),
    ...coldStartStatus(view),
    conditions: conditionsOf(view, blocked, now),
  };
}

function conditionsOf(view: View, blocked: Finding<"Ready"> | undefined, now: Date): Condition[] {
  const { metadata, status } = view.service;
  const before = status?.conditions ?? [];
  const ready = blocked ?? readyFinding(view);
  const rollout = rolloutFinding(view);
  const others = [modelFinding(view), rollout, ...progressFindings(rollout, blocked)];
  return [
    ...mergeConditions(before, [ready], readyGeneration(view, ready), now),
    ...mergeConditions(before, others, metadata.generation ?? 0, now),
  ];
}

/** What the findings are made from. */
interface View {
  readonly service: InferenceService;
  readonly paused: boolean | undefined;
  readonly counts: RolloutCounts;
  /** The revision that the Deployment was last told to run. */
  readonly revision: string | undefined;
  /** Its pods, without those that are being deleted. */
  readonly newest: readonly Pod[];
  /** Why pods of that revision do not serve. */
  readonly failure: Failure | undefined;
  readonly decided: RolloutDecision | undefined;
}

/**
 * | ready pods            | Ready | reason                                                          |
 * |-----------------------|-------|-----------------------------------------------------------------|
 * | none                  | False | the failure's, else NoReadyReplicas                             |
 * | fewer than the least  | False | the failure's, else TooFewReplicas                              |
 * | the least or more     | True  | Serving, or ServingEarlierRevision while none is of the newest  |
 */
function readyFinding(view: View): Finding<"Ready"> {
  const { ready } = view.counts;
  const least = leastReplicas(view.service);
  if (ready < least) {
    const message = `${ready} of at least ${least} replicas ${ready === 1 ? "is" : "are"} ready`;
    if (view.failure !== undefined)
      return finding("Ready", "False", view.failure.reason, `${message}: ${view.failure.message}`);
    return ready === 0
      ? finding("Ready", "False", "NoReadyReplicas", message)
      : finding("Ready", "False", "TooFewReplicas", message);
  }
  const message = ready === 1 ? "1 replica is ready" : `${ready} replicas are ready`;
  return newestServes(view)
    ? finding("Ready", "True", "Serving", message)
    : finding("Ready", "True", "ServingEarlierRevision", `${message}, none of them of the newest revision`);
}

/**
 * A Ready that is True says so about the spec that is serving: whoever waits for it after an edit
 * (`kubectl wait` compares this number with metadata.generation) waits for the edit.
 */
function readyGeneration(view: View, { status, type }: Finding<"Ready">): number {
  const { metadata, status: written } = view.service;
  const generation = metadata.generation ?? 0;
  // What is paused takes up no edit.
  if (status !== "True" || (newestServes(view) && view.paused !== true)) return generation;
  const before = conditionOf(written, type);
  const serving = before?.status === "True" ? before.observedGeneration : undefined;
  return serving ?? Math.max(generation - 1, 0);
}

/**
 * Whether requests reach a pod of the newest revision, or none has to. Of the earlier revisions there are
 * `total - updated` pods: when more are ready than that, one is of the newest.
 */
function newestServes({ counts, newest, decided }: View): boolean {
  if (decided?.isRolledBack === true) return false;
  const { observed, total, updated, ready } = counts;
  return observed && (total === updated || ready > total - updated || newest.some(isReady));
}

function modelFinding(view: View): Finding<"ModelReady"> {
  const { service, counts, revision, newest } = view;
  const failure = modelFailure(view);
  const loaded = finding("ModelReady", "True", "Loaded", `a pod has loaded revision ${revision}`);
  if (newest.some(hasLoaded)) return loaded;
  if (failure !== undefined) return finding("ModelReady", "False", failure.reason, failure.message);
  if (revision !== undefined && counts.wanted === 0) {
    // A service that sleeps has not forgotten that its model loads.
    const before = conditionOf(service.status, "ModelReady");
    return before?.status === "True" && service.status?.model?.revision === revision
      ? loaded
      : finding("ModelReady", "Unknown", "NoReplicas", "no replica is wanted, so no pod loads the model");
  }
  return finding("ModelReady", "Unknown", "Loading", "no pod of the newest revision has loaded the model yet");
}

/** Of a revision that was rolled back there may be no pod left to be looked at. */
function modelFailure({ failure, decided }: View): Failure | undefined {
  return failure ?? decided?.failure;
}

/** A failure stays until another one takes its place, and keeps its time while it is the same. */
function modelStatus(view: View, now: Date): Pick<ReconciledStatus, "model"> {
  const { service, revision, decided } = view;
  const failure = modelFailure(view);
  const before = service.status?.model?.lastFailure;
  // Never an empty object: server-side apply would turn it into null, which the schema refuses.
  if (revision === undefined) return {};
  // Where nothing was decided, what was known of the roll-out stays.
  const { servingRevision, pendingRevision, attempts, nextAttemptTime } = decided?.model ?? service.status?.model ?? {};
  const known = {
    revision,
    ...(servingRevision !== undefined && { servingRevision }),
    ...(pendingRevision !== undefined && { pendingRevision }),
    ...(attempts !== undefined && { attempts }),
    ...(nextAttemptTime !== undefined && { nextAttemptTime }),
  };
  if (failure === undefined) return { model: { ...known, ...(before && { lastFailure: before }) } };
  const same = before?.revision === revision && before.reason === failure.reason && before.message === failure.message;
  const lastFailure = same ? before : { revision, ...failure, time: rfc3339(now) };
  return { model: { ...known, lastFailure } };
}

/** Measured while the revision comes up; later a pod that was busy for a while would be taken for one that has just come. */
function coldStartStatus({ service, revision, newest }: View): Pick<ReconciledStatus, "coldStart"> {
  const { coldStart: before, model } = service.status ?? {};
  const isOld = model?.revision === revision && conditionOf(service.status, "RolloutComplete")?.status === "True";
  const known = revision === undefined || isOld || before?.revision === revision;
  const coldStart = known ? before : (measureColdStart(newest, revision) ?? before);
  return coldStart === undefined ? {} : { coldStart };
}

/**
 * For programs that know these types from kstatus (Flux, Helm, kpt): there only while True. Something that a person
 * has to mend is Stalled; everything else that is not as the spec asks for is Reconciling.
 */
function progressFindings(rollout: Finding<"RolloutComplete">, blocked: Finding<"Ready"> | undefined): AnyFinding[] {
  if (blocked?.reason === "InvalidSpec" || blocked?.reason === "ChildNotControlled") {
    return [finding("Stalled", "True", blocked.reason, blocked.message)];
  }
  if (blocked?.reason === "ChildRefused") return [finding("Reconciling", "True", blocked.reason, blocked.message)];
  const { status, reason, message } = rollout;
  // Nobody works on a paused service, and nothing is wrong with it.
  if (status === "True" || reason === "UpToDate" || reason === "Paused") return [];
  return reason === "ProgressDeadlineExceeded" || reason === "RolledBack"
    ? [finding("Stalled", "True", reason, message)]
    : [finding("Reconciling", "True", reason, message)];
}

function leastReplicas(service: InferenceService): number {
  const { autoScaling, minReplicas, replicas } = service.spec.predictor;
  return autoScaling.mode === "External" ? (replicas ?? minReplicas) : minReplicas;
}

const pausedFinding = finding(
  "RolloutComplete",
  "Unknown",
  "Paused",
  `the annotation ${pausedAnnotation} is "true": changes of the spec wait until it is removed`,
);

function rolloutFinding({ counts, failure, paused, decided }: View): Finding<"RolloutComplete"> {
  if (paused === true) return pausedFinding;
  if (decided?.finding !== undefined) return decided.finding;
  if (!counts.observed) {
    return finding("RolloutComplete", "False", "RollingOut", "the newest revision is not rolled out yet");
  }
  const { updated, available, wanted } = counts;
  if (isComplete(counts)) {
    return finding("RolloutComplete", "True", "UpToDate", "all replicas run the newest revision");
  }
  const message = `${updated} of ${wanted} replicas run the newest revision; ${available} replicas of any revision are available`;
  if (counts.late) {
    const said = failure === undefined ? message : `not in time: ${failure.message}`;
    return finding("RolloutComplete", "False", "ProgressDeadlineExceeded", said);
  }
  return failure === undefined
    ? finding("RolloutComplete", "False", "RollingOut", message)
    : finding("RolloutComplete", "False", failure.reason, failure.message);
}
